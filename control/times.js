/**
 * Every time that the library waits, in one place: `projectcontrol.times`. Each may be set before `run()`; tests set small ones.
 *
 * Units:  milliseconds. `tryagain` is a list: the waits between the tries of one request.
 * Why:    a BYE is given up by the SIP server after 32 s (64 × T1, RFC 3261 §17.1.2.2), so `watch` is 32 s and something spare.
 */
"use strict";

const DEFAULTS = {
  /** Waits before a request that did not arrive is sent again: 4 tries in all. */
  tryagain: [100, 300, 1000],
  /** One try of a request. */
  trylimit: 5000,
  /** A channel whose opening was not answered is looked for after each of these. */
  reclaim: [1000, 5000, 30_000, 300_000],
  /** From the hang-up we asked for to the last event. */
  watch: 40_000,
  /** The same, of a call that the SIP server does not know any more. */
  straggler: 1000,
  /** A minute is longer than any phone takes to end a call that it has transferred. */
  letgo: 60_000,
  /** The SIP server may start after us: the directory is told again each second until it is there. */
  directory: 1000,
  /** Between two looks at the health of a server. */
  health: 2000,
  /** One look. */
  healthlimit: 1000,
  /** Names of servers are resolved again. */
  resolve: 30_000,
  /** A call of which nothing was heard for so long is asked for; then after twice as long, and so on. */
  audit: 60_000,
};

module.exports = () => ({ ...DEFAULTS });
