/**
 * Every scenario under the embedded engine, for control/embed/tests/scenarios.rs: posts `[{claim, error?}]` to
 * `http://127.0.0.1:{RESULT_PORT}/` when all have run. ONLY limits them to claims that contain it.
 */
"use strict";

const host = require("../host/index.js");
const scenarios = require("./scenarios/index.js");
const { run } = require("./sim/world.js");

async function main() {
  const results = [];
  for (const [claim, scenario] of scenarios) {
    if (process.env.ONLY && !claim.includes(process.env.ONLY)) continue;
    console.debug(claim);
    try {
      await run(host, scenario);
      results.push({ claim });
    } catch (error) {
      results.push({ claim, error: `${error.message}\n${error.stack}` });
    }
  }
  const sent = { host: "127.0.0.1", port: Number(process.env.RESULT_PORT), method: "POST", path: "/", headers: {}, timeoutms: 5000 };
  await host.request({ ...sent, body: JSON.stringify(results) });
}

main();
