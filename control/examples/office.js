/**
 * An office with eight phones. Hold and transfers need no line of script: phones ask for them, the library does them.
 *
 *   1xxx   that phone; after RING_MS milliseconds, or if it is busy or away, its voicemail
 *   600    all phones of the office ring at once         601   one after the other, RING_MS each
 *   602    1001, and the caller hears a ringing tone of ours meanwhile
 *   71xxx  1xxx, which is shown the office's name and number
 *   81xxx  1xxx, called without an offer: for gateways that want to make it themselves
 *   *98    answers, and plays music
 */
"use strict";

const projectcontrol = require("projectcontrol");
const { voicemail } = projectcontrol.ivr;

const RING_MS = Number(process.env.RING_MS || 15_000);
const GROUP = (process.env.GROUP || "1001,1002,1003").split(",");
const sound = (name, loop = false) => ({ loop, files: [{ wav: `${name}.wav` }] });

projectcontrol.moh = sound("music", true);
projectcontrol.codecs = ["pcma", "pcmu", "2833"];

async function extension(call, to) {
  if ((await call.hunt([{ to, ms: RING_MS }])) || call.hungup) return;
  // Nobody: what answers the caller now keeps it.
  const left = await voicemail(call, { file: `message-${to}.wav`, beep: sound("beep"), maxduration: 60_000 });
  if (left) console.log(`message for ${to}: ${left.file}, ended by ${left.reason}`);
  if (!call.hungup) call.hangup();
}

projectcontrol.onnewcall = async (call) => {
  const { destination } = call;
  switch (destination) {
    case "600":
      return call.newcall(GROUP);
    case "601":
      return call.hunt(GROUP, { ms: RING_MS });
    case "602":
      await call.ringback(sound("ringing", true));
      return call.newcall("1001");
    case "*98":
      return (await call.answer()) && call.play(projectcontrol.moh);
    default:
  }
  if (/^1[0-9]{3}$/.test(destination)) return extension(call, destination);
  if (/^71[0-9]{3}$/.test(destination)) return call.newcall({ to: destination.slice(1), cid: { name: "The Office", number: "442012345678" } });
  if (/^81[0-9]{3}$/.test(destination)) return call.newcall({ to: destination.slice(1), lateoffer: true });
  return call.notfound();
};

projectcontrol.onhold = (call) => console.log(`${call.identity.user} holds`);
projectcontrol.onoffhold = (call) => console.log(`${call.identity.user} is back`);
projectcontrol.onreporting = (call) => {
  const { direction, from, to, talkms, cause, endedby, codecs } = call.cdr;
  console.log(`cdr ${direction} ${from} to ${to}: ${talkms} ms, ${cause.code}, ended by ${endedby}, ${codecs[0] ?? "no media"}`);
};

projectcontrol.run();
