/**
 * Why a call could not go on: a SIP status and a sentence.
 * Used for what the network or a server refuses; wrong arguments of a script are a `TypeError`.
 */
"use strict";

class CallError extends Error {
  /**
   * @param {number} code SIP status that fits the failure, 300 to 699.
   * @param {string} message For people.
   */
  constructor(code, message) {
    super(message);
    this.name = "CallError";
    /** SIP status. */
    this.code = code;
  }
}

module.exports = CallError;
