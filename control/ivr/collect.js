/**
 * Plays a prompt and collects digits.
 *
 *   collect(call, {prompt, count: 4})            "1234"         collect(call, {prompt, terminator: "#", pattern: /^[0-9]+$/})   "42"
 *
 * Shape:  a digit stops the prompt. Ends with `count` digits, the terminator (not part of the result), or, with a pattern alone,
 *         when nothing more comes; `pattern` then says whether the digits will do.
 * Units:  `ms` from the end of the prompt or the last digit to giving up a try, 5000 unless given.
 * Errors: `undefined` after `tries` (3) or if the call ends. `TypeError` without any of the three.
 */
"use strict";

const MS = 5000;
const TRIES = 3;
const PROMPT_MS = 120_000;

/**
 * @param {object} call An answered call.
 * @param {{prompt?: object, count?: number, terminator?: string, pattern?: RegExp, ms?: number, tries?: number, invalid?: object}} options
 *   `prompt` and `invalid` (before the next try) are sound soups.
 * @returns {Promise<string|undefined>}
 */
async function collect(call, { prompt, count, terminator, pattern, ms = MS, tries = TRIES, invalid }) {
  if (!count && !terminator && !pattern) throw new TypeError("collect needs count, terminator or pattern");
  for (let attempt = 0; attempt < tries && !call.hungup; attempt += 1) {
    call.cleartelevents();
    const digits = await once(call, attempt > 0 && invalid ? joined(invalid, prompt) : prompt, { count, terminator, ms });
    if (digits !== undefined && digits !== "" && (!pattern || pattern.test(digits))) return digits;
  }
  return undefined;
}

/** One try: what was pressed, `undefined` if too little. */
async function once(call, prompt, { count, terminator, ms }) {
  let digits = "";
  let next = prompt?.files?.length > 0 ? prompted(call, prompt, ms) : call.waitfortelevents(undefined, ms);
  for (;;) {
    const digit = await next;
    if (digit === undefined) return !count && !terminator ? digits : undefined;
    if (digit === terminator) return digits;
    digits += digit;
    if (digits.length === count) return digits;
    next = call.waitfortelevents(undefined, ms);
  }
}

/** The first digit: while the prompt plays, which it stops, or `ms` after its end. */
async function prompted(call, prompt, ms) {
  const first = call.waitfortelevents(undefined, PROMPT_MS + ms);
  let silence;
  let over = false;
  call.playtoend(prompt, PROMPT_MS).then(() => {
    if (!over) silence = call.after(ms, () => call.digits.giveup());
  });
  const digit = await first;
  over = true;
  silence?.();
  if (digit !== undefined) await call.stop();
  return digit;
}

function joined(one, other) {
  return { ...other, files: [...(one.files ?? []), ...(other?.files ?? [])] };
}

module.exports = collect;
