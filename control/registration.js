/**
 * What `onreg` and `ondereg` are told of a phone.
 * Read as text it is the JSON that the SIP server sent, so scripts that call `JSON.parse` on it go on working.
 */
"use strict";

class Registration {
  /** @param {object} body `domain`, `user`; of a registration also `host`, `port`, `agent`, `transport`, `expires` (seconds). */
  constructor(body) {
    Object.assign(this, body);
  }

  /** @returns {string} JSON. */
  toString() {
    return JSON.stringify(this);
  }
}

module.exports = Registration;
