/**
 * Call control for mediaswitch: `const projectcontrol = require("projectcontrol")`.
 *
 *   your script ──► projectcontrol ──HTTP──► project-sip (calls), project-rtp (media)
 *                        ▲────────────HTTP── events of calls, channels and registrations
 *
 * Shape:  one ready object per process; `projectcontrol.ProjectControl` is its class, for a second one in tests.
 * Units:  times in milliseconds unless a name ends in another unit; ports are TCP ports.
 * Errors: wrong arguments throw `TypeError` at once; what fails later is told by `false`, `call.error` and `onhangup`.
 * Hosts:  Node 18 or newer, and the engine built into mediaswitch and project-control; the same source on both.
 */
"use strict";

const ProjectControl = require("./projectcontrol.js");
const host = require("./host/index.js");
const ivr = require("./ivr/index.js");

const projectcontrol = new ProjectControl(host);

module.exports = projectcontrol;
module.exports.ivr = ivr;
module.exports.ProjectControl = ProjectControl;
