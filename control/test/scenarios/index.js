/** All scenarios, for whichever host runs them. */
"use strict";

module.exports = ["./basic.js", "./several.js", "./features.js", "./parts.js", "./servers.js", "./levels.js", "./takeovers.js", "./direct.js", "./orphans.js", "./docs.js", "./robust.js", "./random.js"].flatMap((file) => require(file).scenarios);
