/** Every scenario on Node, eight at a time. The embedded engine runs the same list (control/embed/tests). */
"use strict";

const { describe, test } = require("node:test");
const host = require("../host/node.js");
const scenarios = require("./scenarios/index.js");
const { run } = require("./sim/world.js");

describe("scenarios", { concurrency: 8 }, () => {
  for (const [claim, scenario] of scenarios) test(claim, () => run(host, scenario));
});
