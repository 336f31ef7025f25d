/**
 * Phones that call each other: the script that mediaswitch runs if it is given none.
 *
 *   1000 … 1009   extension to extension, within the domain
 *   *43           echo: hear yourself
 *   other         not found
 *
 * Users and domain are the first lines; change them, or put your own script in its place: `mediaswitch --script my.js`.
 */
"use strict";

const projectcontrol = require("projectcontrol");

const domain = process.env.MEDIASWITCH_DOMAIN || "localhost";
const secret = process.env.MEDIASWITCH_SECRET || "1234";
const users = Array.from({ length: 10 }, (_, index) => ({ username: String(1000 + index), secret }));
const extensions = new Set(users.map((user) => user.username));

async function echo(call) {
  if (await call.answer()) await call.echo();
}

projectcontrol.onnewcall = (call) => {
  if (call.destination === "*43") return echo(call);
  if (!extensions.has(call.destination)) return call.notfound();
  if (call.destination === call.identity.user) return call.busy();
  // A phone that is busy, away or does not answer: the caller is told so by the library.
  return call.newcall({ to: call.destination });
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
