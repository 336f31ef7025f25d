/**
 * A property that is worked out when it is first looked at, and a plain one from then on: nobody can tell but by the time it takes.
 */
"use strict";

/** @param {object} object @param {string} name @param {function(): any} read Does not hold the object, nor do ours: no cycle is left of it. */
function later(object, name, read) {
  const property = {
    get() {
      become(this, name, read());
      return this[name];
    },
    set(value) {
      become(this, name, value);
    },
    enumerable: true,
    configurable: true,
  };
  Object.defineProperty(object, name, property);
}

function become(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

module.exports = later;
