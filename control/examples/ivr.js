/**
 * A voice menu: 1 for sales, 2 to dial an extension, 3 to leave a message. A digit interrupts the prompt.
 */
"use strict";

const projectcontrol = require("projectcontrol");
const { collect, menu, voicemail } = projectcontrol.ivr;

const sound = (name) => ({ files: [{ wav: `${name}.wav` }] });

async function extension(call) {
  const digits = await collect(call, { prompt: sound("dial"), count: 4, tries: 2 });
  if (digits === undefined) return call.hangup();
  return call.newcall({ to: digits });
}

async function message(call) {
  const left = await voicemail(call, { file: `message-${call.info.callid}.wav`, greeting: sound("leaveamessage"), beep: sound("beep") });
  if (left) console.log(`message of ${call.info.from}: ${left.file}, ended by ${left.reason}`);
  if (!call.hungup) call.hangup();
}

projectcontrol.onnewcall = async (call) => {
  if (!(await call.answer())) return;
  const choices = { 1: () => call.hunt(["1001", "1002"]), 2: extension, 3: message };
  await menu(call, { prompt: sound("welcome"), invalid: sound("sorry"), choices, otherwise: message });
};

projectcontrol.run();
