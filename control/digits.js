/**
 * Digits that a caller presses, and scripts that wait for some.
 *
 * Shape:  at most 64 digits are kept, the oldest go first; one match takes all digits up to its end.
 * Units:  milliseconds.
 * Errors: `TypeError` if the pattern is not a RegExp. Time-out and hang-up resolve to `undefined`.
 */
"use strict";

const KEPT = 64;

class Digits {
  #host;
  #waiting = [];
  #open;

  /** @param {object} host For its timer. @param {boolean} open Whether digits can come. */
  constructor(host, open) {
    this.#host = host;
    this.#open = open;
    /** Pressed and not yet taken. */
    this.collected = "";
  }

  /** A digit came in. */
  push(digits) {
    this.collected = (this.collected + digits).slice(-KEPT);
    for (const waiter of [...this.#waiting]) this.#look(waiter);
  }

  /**
   * @param {RegExp} pattern Tried at each digit on all that are collected.
   * @param {number} ms At most so long.
   * @returns {Promise<string|undefined>} The match.
   */
  wait(pattern, ms) {
    if (!(pattern instanceof RegExp)) throw new TypeError("a pattern of digits must be a RegExp");
    // With g or y a RegExp keeps a position between matches, and tells no index.
    const once = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    return new Promise((resolve) => {
      const waiter = { pattern: once, resolve, cancel: undefined };
      waiter.cancel = this.#host.timer(ms, () => this.#settle(waiter, undefined));
      this.#waiting.push(waiter);
      if (this.#open) this.#look(waiter);
      else this.#settle(waiter, undefined);
    });
  }

  #look(waiter) {
    const match = this.collected.match(waiter.pattern);
    if (!match) return;
    this.collected = this.collected.slice(match.index + match[0].length);
    this.#settle(waiter, match[0]);
  }

  #settle(waiter, value) {
    waiter.cancel();
    this.#waiting = this.#waiting.filter((one) => one !== waiter);
    waiter.resolve(value);
  }

  /** Who waits gets `undefined` now. */
  giveup() {
    for (const waiter of [...this.#waiting]) this.#settle(waiter, undefined);
  }

  /** The call is over. */
  close() {
    this.#open = false;
    this.giveup();
  }
}

module.exports = Digits;
