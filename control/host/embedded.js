/**
 * The library's host inside mediaswitch and project-control: what the engine provides, put into the shape of host/index.js.
 *
 *   engine ◄── mediaswitchhost.request / listen / timer / log / now
 *   engine ──► promises and callbacks given to them
 *
 * Errors: as the engine gives them; `error.unsent` is set where it knows that nothing was sent.
 */
"use strict";

module.exports = { name: "embedded", ...globalThis.mediaswitchhost };
