/**
 * A property that is worked out when it is first looked at, and a plain one from then on: nobody can tell but by the time it takes.
 */
"use strict";

/** @param {object} object @param {string} name @param {function(): any} read */
function later(object, name, read) {
  const become = (value) => void Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  const get = () => {
    become(read());
    return object[name];
  };
  Object.defineProperty(object, name, { get, set: become, enumerable: true, configurable: true });
}

module.exports = later;
