/** Every example of docs/control.md: it runs, takes a call, and ends without an error. */
"use strict";

const script = require("../sim/script.js");

const GUIDE = "../../../docs/control.md";
/** Turns of a millisecond: enough for the longest example. */
const ROUNDS = 150;

/** The examples, each with the heading above it. */
function examples() {
  const found = [];
  let heading = "";
  for (const part of script.source(GUIDE).split(/^(?=## |```)/m)) {
    if (part.startsWith("## ")) heading = part.slice(3, part.indexOf("\n"));
    if (part.startsWith("```js\n")) found.push([heading, part.slice(6)]);
  }
  return found;
}

/** A caller, phones that answer, sounds that end, and the caller hangs up. */
async function play(world, text) {
  const { sip, rtp, check } = world;
  script.run(world, text);
  const callid = await sip.incoming({ to: "3" });
  const answered = new Set();
  for (let round = 0; round < ROUNDS; round += 1) {
    await world.turn();
    for (const call of sip.calls.values()) {
      if (!call.originator || !call.announced || answered.has(call.callid)) continue;
      answered.add(call.callid);
      sip.answer(call.callid);
    }
    for (const channel of rtp.channels.values()) {
      if (!channel.playing || channel.playing.loop) continue;
      channel.playing = undefined;
      rtp.event(channel.uuid, { action: "play", event: "end", reason: "completed" });
    }
  }
  check.ok(sip.log.some(({ path }) => path.startsWith("/dialog")), "the script did something with its call");
  await sip.hangup(callid);
  check.equal(world.control.errors, 0, "errors");
}

const scenarios = examples().map(([heading, text]) => [`docs/control.md, ${heading}`, (world) => play(world, text)]);

module.exports = { scenarios };
