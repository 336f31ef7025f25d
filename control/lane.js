/**
 * Requests of one call or one channel, one after the other: what was asked first arrives first.
 *
 *   run(work) ─► nothing under way? work now, else when those before it have called `next`
 *
 * Shape:  holds what waits; a call asks for a handful of things in its life.
 * Errors: none; `work` must call `next` once, whatever becomes of it.
 */
"use strict";

class Lane {
  #busy = false;
  #waiting;

  /** @param {function(): void} work */
  run(work) {
    if (this.#busy) (this.#waiting ??= []).push(work);
    else {
      this.#busy = true;
      work();
    }
  }

  /** What was under way is done. */
  next() {
    const work = this.#waiting?.shift();
    if (work) work();
    else this.#busy = false;
  }
}

module.exports = Lane;
