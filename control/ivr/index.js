/** Parts of voice menus: `const { collect, menu, voicemail, say } = require("projectcontrol").ivr`. Each is described in its file. */
"use strict";

module.exports = { collect: require("./collect.js"), menu: require("./menu.js"), voicemail: require("./voicemail.js"), say: require("./say.js") };
