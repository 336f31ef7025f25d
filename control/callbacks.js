/**
 * Callbacks that a script has stacked, by name, in the order set.
 *
 * Shape:  each name holds a list; setting again adds to it. `take` empties the list, for those that run once.
 * Errors: `TypeError` if what is set is not a function. What a callback throws is the business of its runner.
 */
"use strict";

const NONE = Object.freeze([]);

class Callbacks {
  #lists;

  /**
   * Adds one at the end.
   * @param {string} name
   * @param {Function} callback
   * @throws {TypeError} Not a function.
   */
  add(name, callback) {
    if (typeof callback !== "function") throw new TypeError(`${name} must be a function`);
    this.#lists ??= new Map();
    const list = this.#lists.get(name);
    if (list) list.push(callback);
    else this.#lists.set(name, [callback]);
  }

  /** @returns {boolean} Whether there is any of that name. */
  any(name) {
    return this.#lists !== undefined && this.#lists.has(name);
  }

  /** @returns {Function[]} A copy, so that a callback may add others while they run. */
  list(name) {
    const list = this.#lists?.get(name);
    return list ? list.slice() : NONE;
  }

  /** @returns {Function[]} All of that name, which are then forgotten. */
  take(name) {
    const list = this.#lists?.get(name);
    if (!list) return NONE;
    this.#lists.delete(name);
    return list;
  }

  /** Forgets all. @returns {Map<string, Function[]>|undefined} What there was, for `restore`. */
  clear() {
    const lists = this.#lists;
    this.#lists = undefined;
    return lists;
  }

  /** Puts back what `clear` took. */
  restore(lists) {
    this.#lists = lists;
  }
}

module.exports = Callbacks;
