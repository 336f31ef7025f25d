/**
 * Queues of callers: `const queues = require("projectqueue")`.
 *
 *   queues.find("sales").queue(call) ─► waits, with music ─► an agent's phone rings ─► delivered, they talk
 *
 * Shape:  one set of queues per process; `queues.ProjectQueues` is its class, for a second one in tests.
 * Errors: wrong arguments throw `TypeError`; errors of callbacks are reported with the call's id.
 */
"use strict";

const ProjectQueues = require("./queues.js");

module.exports = new ProjectQueues();
module.exports.ProjectQueues = ProjectQueues;
