/**
 * A trunk: 9 and a number goes out through the gateway, what comes in from the carrier rings the office.
 *
 * Settings (environment): TRUNK_DOMAIN, TRUNK_USER, TRUNK_SECRET, TRUNK_NUMBER.
 */
"use strict";

const projectcontrol = require("projectcontrol");

const { TRUNK_DOMAIN = "carrier.example", TRUNK_USER = "office", TRUNK_SECRET = "secret", TRUNK_NUMBER = "442012345678" } = process.env;

projectcontrol.gw = {
  from: { user: TRUNK_USER, domain: TRUNK_DOMAIN, authsecret: TRUNK_SECRET },
  to: { domain: TRUNK_DOMAIN },
  cid: { number: TRUNK_NUMBER, name: TRUNK_NUMBER },
  codecs: ["pcma", "pcmu", "2833"],
};
// A call that both sides have forgotten must not cost for ever.
projectcontrol.maxduration = 4 * 3600_000;

projectcontrol.onnewcall = (call) => {
  if (/^9[0-9]{3,15}$/.test(call.destination)) return call.newcall({ to: call.destination.slice(1), forward: true });
  // Ours first on the reception's phone for 10 s, then on all.
  if (call.destination === TRUNK_NUMBER) return call.hunt([{ to: "1000", ms: 10_000 }, ["1000", "1001", "1002"]]);
  return call.newcall({ to: call.destination });
};

projectcontrol.onreporting = (call) => {
  const { from, to, talkms, cause, codecs } = call.cdr;
  console.log(`${from} to ${to}: ${Math.round(talkms / 1000)} s, ${cause.code} ${cause.text} ${codecs[0] ?? ""}`);
};

projectcontrol.run();
