/**
 * Phones that call each other: the script that mediaswitch runs if it is given none.
 *
 *   1000 …   extension to extension, within the domain
 *   *43      echo: hear yourself
 *   other    not found
 *
 * Settings (environment): MEDIASWITCH_DOMAIN, and MEDIASWITCH_USERS as `1000:secret,1001:secret`; MEDIASWITCH_DIRECT, if set to anything,
 * lets phones send to each other (`direct` of `newcall`). mediaswitch sets them from its own flags. To go on from here, copy the file, change it, and run `mediaswitch --script my.js`.
 */
"use strict";

const projectcontrol = require("projectcontrol");

const domain = process.env.MEDIASWITCH_DOMAIN || "localhost";
const users = (process.env.MEDIASWITCH_USERS || "1000:1234,1001:1234").split(",").map((entry) => {
  const colon = entry.indexOf(":");
  return { username: entry.slice(0, colon).trim(), secret: entry.slice(colon + 1).trim() };
});
const direct = Boolean(process.env.MEDIASWITCH_DIRECT);
const extensions = new Set(users.map((user) => user.username));

// What project-rtp transcodes, so that any two phones understand each other. Phones that share another codec may be offered more.
projectcontrol.codecs = ["pcma", "pcmu", "2833"];

async function echo(call) {
  if (await call.answer()) await call.echo();
}

projectcontrol.onnewcall = (call) => {
  if (call.destination === "*43") return echo(call);
  if (!extensions.has(call.destination)) return call.notfound();
  if (call.destination === call.identity.user) return call.busy();
  // A phone that is busy, away or does not answer: the library passes that on to the caller.
  return call.newcall({ to: call.destination, direct });
};

projectcontrol.onreg = (reg) => console.log(`${reg.user}@${reg.domain} registered from ${reg.host}:${reg.port}`);
projectcontrol.ondereg = (reg) => console.log(`${reg.user}@${reg.domain} is gone`);
projectcontrol.onreporting = (call) => {
  const { from, to, epochs, error } = call.info;
  const seconds = epochs?.answer ? Math.max(0, epochs.end - epochs.answer) : 0;
  console.log(`call ${from} to ${to}: ${seconds} s${error?.code ? `, ${error.code} ${error.status}` : ""}`);
};

projectcontrol.directory(domain, users);
projectcontrol.run();
