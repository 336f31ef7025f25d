/**
 * Calls that ring together: the first answer wins, the others are told that it was answered elsewhere.
 */
"use strict";

class RingGroup {
  #winner;

  constructor() {
    /** All that were called. */
    this.members = [];
  }

  /** Adds a call. */
  add(call) {
    this.members.push(call);
    call.metadata.group = this;
  }

  /**
   * A member was answered.
   * @returns {boolean} Whether it is the first, and so the winner.
   */
  won(call) {
    this.#winner ??= call;
    return this.#winner === call;
  }

  /** @returns {object[]} Members that are not the winner and not over. */
  get losers() {
    return this.members.filter((one) => one !== this.#winner && !one.hungup);
  }
}

module.exports = RingGroup;
