/**
 * Requests of one call or one channel, one after the other: what was asked first arrives first.
 *
 *   take() ─► nothing under way? do it now, else wait(work): done when those before it have called `next`
 *
 * Shape:  holds what waits; a call asks for a handful of things in its life.
 * Errors: none; `work` must call `next` once, whatever becomes of it.
 */
"use strict";

class Lane {
  #busy = false;
  #waiting;

  /** @returns {boolean} Whether it is free: then it is taken, and the work is to be done now. */
  take() {
    if (this.#busy) return false;
    this.#busy = true;
    return true;
  }

  /** For when it is not free. @param {function(): void} work */
  wait(work) {
    (this.#waiting ??= []).push(work);
  }

  /** What was under way is done. */
  next() {
    const work = this.#waiting?.shift();
    if (work) work();
    else this.#busy = false;
  }
}

module.exports = Lane;
