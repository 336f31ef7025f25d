/**
 * Conference rooms: 800 to 899 after a PIN; one alone hears music.
 * Keys in a room: 1 nobody hears me, 2 they do again, 3 I am too loud, 4 all are, 5 who speaks?
 */
"use strict";

const projectcontrol = require("projectcontrol");
const { collect } = projectcontrol.ivr;

const PIN = process.env.CONFERENCE_PIN || "1234";
projectcontrol.moh = { loop: true, files: [{ wav: "music.wav" }] };

const KEYS = {
  1: (call) => call.mute({ in: true }),
  2: (call) => call.unmute(),
  3: (call) => call.gain({ in: -12 }),
  4: (call, room) => room.gain(-6),
  5: async (call, room) => console.log(`speaking: ${(await room.speakers()).map((one) => one.info.from).join(" ")}.`),
};

projectcontrol.onnewcall = async (call) => {
  if (!/^8[0-9]{2}$/.test(call.destination)) return call.notfound();
  if (!(await call.answer())) return undefined;
  const pin = await collect(call, { prompt: { files: [{ wav: "pin.wav" }] }, terminator: "#" });
  if (pin !== PIN) return call.hangup();
  const room = projectcontrol.conference(call.destination);
  room.onjoin = (one, where) => console.log(`${one.info.from} joined ${where.name}, now ${where.members.length}`);
  if (!(await room.add(call))) return call.hangup();
  call.ondtmf = (_, digit) => KEYS[digit]?.(call, room);
  return undefined;
};

projectcontrol.run();
