#!/usr/bin/env node
// Requires of all kinds; posts what it found.
const part = require("./parts/part");
const again = require("./parts/part.js");
const data = require("./parts/data.json");
const projectcontrol = require("projectcontrol");

implicit = "sloppy, as on Node";

const found = {
  part: part.name,
  same: part === again,
  data: data.answer,
  dirname: __dirname.endsWith("tests/scripts"),
  filename: __filename.endsWith("modules.js"),
  library: typeof projectcontrol.run,
  implicit: globalThis.implicit,
};
projectcontrol.host.request({
  host: "127.0.0.1", port: Number(process.env.RESULT_PORT), method: "POST", path: "/", headers: {}, body: JSON.stringify(found), timeoutms: 1000,
});
