/**
 * Runs the text of a script against the control server of a world, on either host.
 *
 *   script(world, "../../examples/ivr.js", {env}) ─► its `require("projectcontrol")` is the world's
 *
 * Errors: what the script throws.
 */
"use strict";

const ivr = require("../../ivr/index.js");
const ProjectQueues = require("../../queue/queues.js");

/** @returns {string} Text of a file beside this one. */
function source(name) {
  // The embedded engine reads text for us; on Node that is what fs is for.
  if (require.source) return require.source(name);
  return require("node:fs").readFileSync(require("node:path").join(__dirname, name), "utf8");
}

/** @returns {{queues: object, lines: string[]}} The queues that the script sees, and what it has printed. */
function run(world, text, env = {}) {
  const queues = new ProjectQueues();
  const lines = [];
  // The world runs already, and knows its directory.
  const projectcontrol = Object.assign(Object.create(world.control), { ivr, run: () => Promise.resolve(), ProjectControl: world.control.constructor });
  const known = { projectcontrol: facade(world.control, projectcontrol), projectqueue: queues };
  const required = (name) => {
    if (!(name in known)) throw new Error(`a script of the documentation requires ${name}`);
    return known[name];
  };
  const print = (...args) => lines.push(args.join(" "));
  new Function("require", "process", "console", text)(required, { env }, { log: print, error: print });
  return { queues, lines };
}

/** The world's control with some properties of ours before it: private fields want the object itself. */
function facade(control, ours) {
  return new Proxy(control, {
    get: (target, name) => {
      if (Object.hasOwn(ours, name)) return ours[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

module.exports = { run, source };
