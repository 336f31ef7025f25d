/**
 * Takes a message: greeting, beep, record until silence, `#`, the longest time, or the hang-up.
 *
 *   voicemail(call, {file: "messages/1000/1.wav", greeting, beep}) ─► {file, reason, filesize}
 *
 * Shape:  answers the call if it is not. The recording is the RTP server's file; its end is told by the RTP server.
 * Units:  milliseconds: `maxduration` 120 000, `silence` is the RTP server's `finishbelowpower`, with `minduration` 1000 before it counts.
 * Errors: `undefined` if nothing could be recorded (no answer, no media, refused).
 */
"use strict";

const MAX_MS = 120_000;
const MIN_MS = 1000;
/** The RTP server tells the end within a tick or two of its time; ours is only for one that is gone. */
const SPARE_MS = 5000;

/**
 * @param {object} call
 * @param {{file: string, greeting?: object, beep?: object, maxduration?: number, minduration?: number, silence?: number, format?: string}} options
 * @returns {Promise<{file: string, reason: string, filesize?: number}|undefined>}
 */
async function voicemail(call, { file, greeting, beep, maxduration = MAX_MS, minduration = MIN_MS, silence, format }) {
  if (typeof file !== "string" || file === "") throw new TypeError("voicemail needs a file");
  if (!call.answered && !(await call.answer())) return undefined;
  if (greeting) await call.playtoend(greeting, MAX_MS);
  if (beep) await call.playtoend(beep, SPARE_MS);
  const ended = finished(call, file);
  // Before, not after: a digit may come with the first word of the message.
  call.cleartelevents();
  if (call.hungup || !(await call.record({ file, format, maxduration, minduration, finishbelowpower: silence }))) return undefined;
  const how = await Promise.race([ended, pressed(call, maxduration), over(call, maxduration)]);
  if (how.reason === "#") {
    await call.stoprecord(file);
    return { file, ...(await Promise.race([ended, over(call, 0)])), reason: "#" };
  }
  return { file, ...how };
}

/** The end that the RTP server tells. */
function finished(call, file) {
  return new Promise((resolve) => {
    call.onrecord = (_, event) => {
      if ((event.file ?? file) === file && String(event.event).startsWith("finished")) {
        resolve({ reason: event.event.slice("finished.".length) || "finished", filesize: event.filesize });
      }
    };
  });
}

async function pressed(call, ms) {
  // The digits' time-out, or the end of the call, is told by the others.
  return (await call.waitfortelevents(/#/, ms)) === undefined ? new Promise(() => {}) : { reason: "#" };
}

async function over(call, ms) {
  return { reason: (await call.waitforhangup(ms + SPARE_MS)) ? "hangup" : "timeout" };
}

module.exports = voicemail;
