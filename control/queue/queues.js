/**
 * All queues by name.
 *
 * Shape:  `find` makes a queue the first time; `onpositionchange` stacks and is called with each call whose place has changed,
 *         `call.metadata.queue` = `{name, state, position, since}` being new by then.
 * Errors: a callback that throws is reported with the call's id and stops nothing else.
 */
"use strict";

const Queue = require("./queue.js");

class ProjectQueues {
  #queues = new Map();
  #callbacks = [];

  /** @param {string} name @returns {Queue} The queue of that name. */
  find(name) {
    if (!this.#queues.has(name)) this.#queues.set(name, new Queue(name, (call) => this.#changed(call)));
    return this.#queues.get(name);
  }

  /** @returns {string[]} Names of all queues. */
  get names() {
    return [...this.#queues.keys()];
  }

  /** Adds a callback for changes of place. */
  set onpositionchange(callback) {
    if (typeof callback !== "function") throw new TypeError("onpositionchange must be a function");
    this.#callbacks.push(callback);
  }
  get onpositionchange() {
    return [...this.#callbacks];
  }

  /** Forgets callbacks, for the script is read anew; queues and who waits in them stay. @returns {Function} Undoes that. */
  checkpoint() {
    const kept = this.#callbacks;
    this.#callbacks = [];
    return () => (this.#callbacks = kept);
  }

  #changed(call) {
    for (const callback of this.#callbacks) call.control.invoke(callback, call, "onpositionchange");
  }
}

module.exports = ProjectQueues;
