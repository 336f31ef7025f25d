/** Every scenario on Node. The embedded engine runs the same list (control/embed/tests). */
"use strict";

const test = require("node:test");
const host = require("../host/node.js");
const scenarios = require("./scenarios/index.js");
const { run } = require("./sim/world.js");

for (const [claim, scenario] of scenarios) test(claim, () => run(host, scenario));
