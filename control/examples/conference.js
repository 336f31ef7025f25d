/**
 * Conference rooms: 800 to 899 after a PIN; one alone hears music.
 */
"use strict";

const projectcontrol = require("projectcontrol");
const { collect } = projectcontrol.ivr;

const PIN = process.env.CONFERENCE_PIN || "1234";
projectcontrol.moh = { loop: true, files: [{ wav: "music.wav" }] };

projectcontrol.onnewcall = async (call) => {
  if (!/^8[0-9]{2}$/.test(call.destination)) return call.notfound();
  if (!(await call.answer())) return undefined;
  const pin = await collect(call, { prompt: { files: [{ wav: "pin.wav" }] }, terminator: "#" });
  if (pin !== PIN) return call.hangup();
  const room = projectcontrol.conference(call.destination);
  room.onjoin = (one, where) => console.log(`${one.info.from} joined ${where.name}, now ${where.members.length}`);
  return (await room.add(call)) || call.hangup();
};

projectcontrol.run();
