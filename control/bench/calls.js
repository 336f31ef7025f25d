/**
 * Figures of the library: events handled per second, time to the first command, memory of calls that stand.
 *
 *   node --expose-gc control/bench/calls.js [calls]                         on Node
 *   cargo run --release -p control-embed --example figures -- [calls]       inside the binary's engine
 *
 * Shape:  servers are stand-ins without a socket, so that what is measured is ours: JSON in, callbacks, state, JSON out.
 *         Each call is an inbound one that calls another: 9 events, 7 commands.
 * Units:  events per second of processor time; microseconds; bytes of JavaScript heap per call leg.
 */
"use strict";

const ProjectControl = require("../projectcontrol.js");
const node = require("../host/index.js");
const Sip = require("../test/sim/sip.js");

/** A host whose servers answer at once: channels are numbers, INVITEs give Call-IDs. */
function host() {
  let channels = 0;
  let invites = 0;
  const state = { handler: undefined, asked: 0, first: undefined, last: undefined };
  const request = async ({ method, path, body }) => {
    state.asked += 1;
    state.first?.();
    if (method === "POST" && path === "/channel") {
      channels += 1;
      return { status: 200, body: JSON.stringify({ uuid: `c${channels}`, ip: "127.0.0.1", port: 10000 + ((channels * 2) % 10000), load: { headroom: 0.5 } }) };
    }
    if (path === "/dialog/invite") {
      invites += 1;
      state.invited?.(`out-${invites}`, JSON.parse(body));
      return { status: 200, body: JSON.stringify({ callid: `out-${invites}` }) };
    }
    return { status: 200, body: "{}" };
  };
  const listen = async (_, handler) => {
    state.handler = handler;
    return { port: 9001, close: async () => undefined };
  };
  return { ...node, state, request, listen, guard: undefined, defaults: {}, log: (level, text) => level === "error" && console.error(text) };
}

const FIELDS = { domain: "phones.example", maxforwards: 70, authenticated: true, ring: false, answered: false, hold: false, hangup: false, error: { code: 0, status: "" } };

function snapshot(callid, seq, event, change) {
  return JSON.stringify({ callid, seq, event, ...FIELDS, from: "1000", to: "1001", originator: callid.startsWith("out"), sdp: { them: Sip.sdp(20000), us: {} }, epochs: { start: 1, ring: 0, answer: 0, end: 0 }, ...change });
}

/** Calls one by one, for the time to the first command. */
const PROBES = 200;

/** Milliseconds; of the embedded engine's clock, which counts whole ones, many probes make the mean. */
const now = () => globalThis.performance?.now() ?? Date.now();

/** Lets all that is ready run, until `done`. */
async function settle(world, done) {
  while (!done()) await new Promise((resolve) => world.timer(1, resolve));
}

/**
 * So many calls up and answered, then down again.
 * @param {number} calls
 * @param {() => object|Promise<object>} probe `{bytes, rss, ms}`: heap in use, memory of the process, processor time so far.
 * @returns {Promise<object>} The figures.
 */
async function measure(calls, probe) {
  const bare = host();
  const { state } = bare;
  const control = new ProjectControl(bare);
  // Of a probe the second leg stands until all are done.
  control.maxcalls = Math.max(calls * 2, PROBES + 1) + 1;
  control.onnewcall = (call) => call.newcall({ to: call.destination });
  const outs = [];
  state.invited = (callid) => outs.push(callid);
  await control.run();
  let events = 0;
  const tell = (callid, ...rest) => {
    events += 1;
    return state.handler({ method: "PUT", path: `/dialog/${callid}`, headers: {}, body: snapshot(callid, ...rest) });
  };

  // Time from the INVITE's event to the first command, one call alone.
  const times = [];
  for (let n = 0; n < PROBES; n += 1) {
    const begun = now();
    const asked = new Promise((resolve) => (state.first = resolve));
    await tell(`probe-${n}`, 1, "new");
    await asked;
    times.push(now() - begun);
    state.first = undefined;
    await settle(bare, () => outs.length === n + 1);
    await tell(`probe-${n}`, 2, "hangup", { hangup: true });
  }
  for (const callid of outs.splice(0)) await tell(callid, 1, "hangup", { hangup: true });
  await settle(bare, () => control.table.size === 0);
  await control.idle();

  const before = await probe();
  events = 0;
  const ids = Array.from({ length: calls }, (_, n) => `in-${n}`);
  for (const id of ids) await tell(id, 1, "new");
  await settle(bare, () => outs.length === calls);
  for (const id of outs) await tell(id, 1, "new");
  for (const id of outs) await tell(id, 2, "ringing", { ring: true });
  for (const id of ids) await tell(id, 2, "ringing", { ring: true });
  for (const id of outs) await tell(id, 3, "answered", { ring: true, answered: true });
  for (const id of ids) await tell(id, 3, "answered", { ring: true, answered: true });
  await control.idle();
  const up = await probe();
  const size = control.table.size;
  for (const id of ids) await tell(id, 4, "hangup", { ring: true, answered: true, hangup: true });
  for (const id of outs) await tell(id, 4, "hangup", { ring: true, answered: true, hangup: true });
  await control.idle();
  await settle(bare, () => control.table.size === 0);
  const after = await probe();
  await control.stop();
  times.sort((a, b) => a - b);
  return {
    host: node.name, calls, legs: size, events, commands: state.asked,
    eventspersecond: Math.round(events / (after.ms - before.ms) * 1000),
    uspercall: Math.round((after.ms - before.ms) * 1000 / calls),
    firstcommandus: { median: Math.round(times[PROBES / 2] * 1000), p99: Math.round(times[PROBES * 0.99 - 1] * 1000) },
    bytesperleg: Math.round((up.bytes - before.bytes) / size), processmib: Math.round(up.rss / 1048576), leftover: control.table.size + control.table.channels.size,
  };
}

module.exports = measure;

/** Inside the binary: the engine's own program tells memory and time, and takes the outcome. */
async function embedded() {
  const ask = async (method, path, body) => (await fetch(`http://127.0.0.1:${process.env.FIGURES_PORT}${path}`, { method, body })).text();
  const probe = async () => JSON.parse(await ask("GET", "/probe"));
  await ask("POST", "/figures", JSON.stringify(await measure(Number(process.env.FIGURES_CALLS), probe), null, 1));
}

if (node.name === "embedded") embedded();
else if (require.main === module) {
  const probe = () => {
    globalThis.gc?.();
    // Processor time, so that a busy machine does not change the figure.
    const { user, system } = process.cpuUsage();
    const { heapUsed, rss } = process.memoryUsage();
    return { bytes: heapUsed, rss, ms: (user + system) / 1000 };
  };
  measure(Number(process.argv[2] ?? 2500), probe).then((figures) => console.log(JSON.stringify(figures, null, 1)));
}
