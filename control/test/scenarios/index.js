/** All scenarios, for whichever host runs them. */
"use strict";

module.exports = ["./basic.js"].flatMap((file) => require(file).scenarios);
