/**
 * What a server answered: its status at once, its JSON when somebody asks for it.
 *
 * Shape:  `code`, `message`, `json`; `text` is the body as it came. What is no JSON counts as `{}`.
 * Errors: none.
 */
"use strict";

const { parse } = require("./json.js");

class Reply {
  #json;

  /** @param {number} code HTTP status. @param {string} [text] Body. */
  constructor(code, text) {
    this.code = code;
    this.text = text;
  }

  get json() {
    return (this.#json ??= this.#read());
  }

  /** The server's own words, or its status. */
  get message() {
    return this.json?.detail ?? this.json?.error ?? `HTTP ${this.code}`;
  }

  #read() {
    if (!this.text || this.text === "{}") return {};
    try {
      return parse(this.text);
    } catch {
      return {};
    }
  }
}

module.exports = Reply;
