/**
 * The library's host inside mediaswitch and project-control: `mediaswitchhost`, which the engine provides in the shape of host/index.js.
 *
 *   engine ◄── request / listen / timer / defer / log / now
 *   engine ──► `onstop`, set by `run`: called when the program is asked to end, waited for
 *
 * Errors: as the engine gives them; `error.unsent` is true where it knows that nothing was sent.
 */
"use strict";

module.exports = globalThis.mediaswitchhost;
module.exports.name = "embedded";
