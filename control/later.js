/**
 * A property that is worked out when it is first looked at, and a plain one from then on: nobody can tell but by the time it takes.
 */
"use strict";

/** @param {object} object @param {string} name @param {function(): any} read Does not hold the object, nor do ours: no cycle is left of it. */
function later(object, name, read) {
  const become = (it, value) => void Object.defineProperty(it, name, { value, writable: true, enumerable: true, configurable: true });
  const property = {
    get() {
      become(this, read());
      return this[name];
    },
    set(value) {
      become(this, value);
    },
    enumerable: true,
    configurable: true,
  };
  Object.defineProperty(object, name, property);
}

module.exports = later;
