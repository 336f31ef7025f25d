/**
 * The declarations (index.d.ts, queue/index.d.ts) against the implementation: what is declared exists, what exists is declared or
 * known here as the library's own, has an example in docs/control.md (which scenarios run), and is used in test/types/everything.ts, which `./check script` type-checks.
 */
"use strict";

const { test } = require("node:test");
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const projectcontrol = require("../index.js");
const queues = require("../queue/index.js");

const read = (name) => readFileSync(join(__dirname, name), "utf8");

/** Members that interfaces of a declaration file name. */
function declared(file, name) {
  const body = new RegExp(`^  interface ${name} (?:extends \\w+ )?\\{\\n([\\s\\S]*?)^  \\}`, "m").exec(read(file))[1];
  return new Set([...body.matchAll(/^    (?:readonly |get |set )?(\w+)[?(:]/gm)].map(([, member]) => member));
}

/** Members of an object and of its classes, without those of Object. */
function existing(object) {
  const names = new Set(Object.getOwnPropertyNames(object));
  for (let one = Object.getPrototypeOf(object); one && one !== Object.prototype; one = Object.getPrototypeOf(one)) {
    for (const name of Object.getOwnPropertyNames(one)) if (name !== "constructor") names.add(name);
  }
  return names;
}

const call = projectcontrol.table.create({ from: "1", to: "2", domain: "d" });
const queue = queues.find("declarations");

/** What the parts of the library do with each other: not for scripts. */
const OWN = {
  ProjectControl: "host callbacks send picks started table sippeer rtppeer sippool rtppool audit reclaim nextid formerly domains conferences rescued errors urlfor random idle channelevent invoke guarded report enter leave track sleep nextsession nextkey checkpoint ProjectControl",
  Call: "control callbacks known theirs heard dialog digits session progress quiet request accept complete owed watchduration played music wake end fail abandon done cleartimers letgo",
  Conference: "tie",
  Agent: "free enter",
  Queue: "",
  ProjectQueues: "checkpoint ProjectQueues",
  Channel:
    "owner server audio soup levels level playing target aim mix mixhere linked unmix play stop echo figures closed close end lost heard",
};

for (const [name, file, object] of [
  ["ProjectControl", "../index.d.ts", projectcontrol],
  ["Call", "../index.d.ts", call],
  ["Conference", "../index.d.ts", projectcontrol.conference("declarations")],
  ["Queue", "../queue/index.d.ts", queue],
  ["Agent", "../queue/index.d.ts", queue.addagent("1001")],
  ["ProjectQueues", "../queue/index.d.ts", queues],
]) {
  test(`${name}: what is declared exists, and the other way round`, () => {
    const [said, there] = [declared(file, name), existing(object)];
    const own = new Set(OWN[name].split(" "));
    // Set by failures only.
    if (name === "Call") there.add("error");
    assert.deepStrictEqual([...said].filter((member) => !there.has(member)), [], "declared, but missing");
    assert.deepStrictEqual([...there].filter((member) => !said.has(member) && !own.has(member)), [], "not declared");
    const used = read("types/everything.ts");
    const examples = [...read("../../docs/control.md").matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) => text).join("\n");
    const shown = (member) => new RegExp(`\\.${member}\\b|[{,] ${member}[:, ]`).test(examples);
    assert.deepStrictEqual([...said].filter((member) => !shown(member)), [], "without an example in docs/control.md");
    assert.deepStrictEqual([...said].filter((member) => !new RegExp(`\\b${member}\\b`).test(used)), [], "not in everything.ts");
  });
}
