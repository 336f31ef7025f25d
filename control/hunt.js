/**
 * Sequential hunting: one after the other is called until somebody answers.
 *
 *   hunt(call, ["1001", ["1002", "1003"], "1004"], {ms: 15000}) ─► 1001 for 15 s ─► 1002 and 1003 together ─► 1004
 *
 * Shape:  each step is what `call.newcall` takes, an array rings together. `ms` of a request is for its step alone.
 * Units:  milliseconds.
 * Errors: none; nobody answered is `false`. An unanswered caller is then ended with the telling status, as after any last child,
 *         unless the script answers it at once, for a voicemail perhaps.
 */
"use strict";

/** As long as most phones ring before a caller is sent elsewhere: four rings. */
const STEP_MS = 20_000;

/**
 * @param {object} call The caller.
 * @param {Array<object|string|Array<object|string>>} steps
 * @param {{ms?: number}} [options] For each step, 20 s if not given.
 * @returns {Promise<object|false>} The call that answered.
 */
async function hunt(call, steps, { ms = STEP_MS } = {}) {
  if (!Array.isArray(steps) || steps.length === 0) throw new TypeError("hunt needs an array of calls to make");
  for (const step of steps) {
    if (call.hungup || call.dialog.ending) return false;
    const made = [call.newcall(step)].flat();
    const answered = await first(made, step.ms ?? ms);
    if (answered) return answered;
    for (const one of made) one.metadata.family.dismiss(one);
  }
  return false;
}

/** The first that answers; `false` once all have ended or the time is over. */
function first(calls, ms) {
  return new Promise((resolve) => {
    let open = calls.length;
    for (const call of calls) {
      call.waitforanswer(ms).then((answered) => {
        open -= 1;
        if (answered) resolve(call);
        else if (open === 0) resolve(false);
      });
    }
  });
}

module.exports = hunt;
