/**
 * Plays a menu and does what the caller chooses.
 *
 *   menu(call, {prompt, choices: {1: (call) => …, 2: …}, otherwise: (call) => …})
 *
 * Shape:  choices are one digit each, `*` and `#` too; a wrong digit plays `invalid` and the menu again.
 * Units:  `ms` after the prompt, 5000 unless given.
 * Errors: nothing chosen in `tries` (3) runs `otherwise`, or hangs up. What a choice throws or rejects, so does the menu.
 */
"use strict";

const collect = require("./collect.js");

/**
 * @param {object} call An answered call.
 * @param {{prompt: object, choices: Object<string, Function>, invalid?: object, otherwise?: Function, ms?: number, tries?: number}} options
 * @returns {Promise<string|undefined>} What was chosen, once its function is done.
 */
async function menu(call, { prompt, choices, invalid, otherwise, ms, tries }) {
  const known = Object.keys(choices ?? {});
  if (known.length === 0) throw new TypeError("menu needs choices");
  const pattern = new RegExp(`^[${known.join("").replace(/[^0-9A-D*#]/g, "")}]$`);
  const chosen = await collect(call, { prompt, invalid, count: 1, pattern, ms, tries });
  if (chosen !== undefined) await choices[chosen](call);
  else if (!call.hungup) await (otherwise ? otherwise(call) : call.hangup());
  return chosen;
}

module.exports = menu;
