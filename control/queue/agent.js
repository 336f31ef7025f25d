/**
 * Somebody who takes calls of a queue: who to ring, and whether that may be done now.
 *
 *   free ─► ringing ─► talking ─► wrapping up ─► free          ringing in vain ─► pausing ─► free          paused: by hand
 *
 * Units:  `since` is milliseconds since 1970.
 */
"use strict";

class Agent {
  /** @param {object|string} to What `call.newcall` takes. */
  constructor(to) {
    /** Whom to call. */
    this.to = to;
    /** `free`, `ringing`, `talking`, `wrapup`, `pausing`. */
    this.state = "free";
    /** Taken out by hand: gets no calls until `false` again. */
    this.paused = false;
    /** When the state began. */
    this.since = 0;
    /** Calls taken. */
    this.taken = 0;
  }

  /** @returns {string} What tells two agents apart. */
  get key() {
    return Agent.key(this.to);
  }

  /** @returns {boolean} Whether a caller may be given to them. */
  get free() {
    return this.state === "free" && !this.paused;
  }

  /** Begins a state. */
  enter(state, now) {
    this.state = state;
    this.since = now;
  }

  static key(to) {
    const whom = typeof to === "object" && to !== null ? to.to ?? to : to;
    return typeof whom === "object" ? `${whom.user}@${whom.domain ?? ""}` : String(whom);
  }
}

module.exports = Agent;
