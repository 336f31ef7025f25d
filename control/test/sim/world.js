/**
 * A control server with a simulated SIP and RTP server of its own, all on free ports.
 *
 * Shape:  `run(host, scenario)` builds one, runs the scenario, and checks that nothing is left over: no call, no channel.
 */
"use strict";

const ProjectControl = require("../../projectcontrol.js");
const Rtp = require("./rtp.js");
const Sip = require("./sip.js");
const check = require("./check.js");

const QUIET_MS = 2000;

class World {
  constructor(host) {
    this.host = host;
    this.check = check;
    /** Lines of the log at level error. */
    this.errors = [];
    /** And at level warn. */
    this.warnings = [];
    /** Servers beside the first two. */
    this.others = [];
    this.control = new ProjectControl({ ...host, guard: undefined, defaults: {}, log: (level, text) => ({ error: this.errors, warn: this.warnings })[level]?.push(text) });
  }

  /** Waits of tests: long enough for the order of things, short enough for patience. */
  static times = { tryagain: [5, 10, 20], reclaim: [50, 500, 1000], straggler: 60, health: 3_600_000, healthlimit: 500, directory: 20, audit: 3_600_000 };

  async start() {
    Object.assign(this.control.times, World.times);
    this.sip = await new Sip(this.host).start();
    this.rtp = await new Rtp(this.host).start();
    Object.assign(this.control.sip, { port: this.sip.port });
    Object.assign(this.control.rtp, { port: this.rtp.port });
    Object.assign(this.control.us, { port: 0 });
    await this.control.run();
    this.sip.controlport = this.rtp.controlport = this.control.us.port;
    return this;
  }

  /** More RTP servers beside the first. @returns {Promise<Rtp[]>} All. */
  async morertp(count) {
    const all = [this.rtp];
    for (let n = 1; n < count; n += 1) {
      const rtp = await new Rtp(this.host).start();
      rtp.name = `rtp${n}`;
      rtp.controlport = this.control.us.port;
      all.push(rtp);
      this.others.push(rtp);
    }
    this.control.rtp = all.map(({ port }) => `http://127.0.0.1:${port}`);
    return all;
  }

  /** A second SIP server. Both are told our address with their name in it. */
  async moresip() {
    const sip = await new Sip(this.host).start();
    sip.name = "b";
    this.others.push(sip);
    const all = [this.sip, sip];
    this.control.sip = all.map(({ port }) => ({ host: "127.0.0.1", port }));
    for (const one of all) Object.assign(one, { controlport: this.control.us.port, prefix: `/from/127.0.0.1:${one.port}` });
    return all;
  }

  /** Asks our control server something. */
  async ask(method, path, body) {
    const text = typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body);
    const sent = { host: "127.0.0.1", port: this.control.us.port, method, path, headers: { "content-type": "application/json" }, body: text, timeoutms: 5000 };
    const { status, body: answer } = await this.host.request(sent);
    return { status, json: answer ? JSON.parse(answer) : undefined };
  }

  /** Waits until a condition holds that is not about requests. */
  async until(condition, what) {
    const end = this.host.now() + 5000;
    while (!condition()) {
      if (this.host.now() > end) throw new Error(`waited in vain for ${what}`);
      await this.turn();
    }
  }

  /** Lets everything that is ready run. */
  turn() {
    return new Promise((resolve) => this.host.timer(1, resolve));
  }

  /** The call object behind a Call-ID. */
  call(callid) {
    return this.control.table.get(callid);
  }

  /** Ends what is left, and checks that nothing stays. */
  async finish() {
    for (const callid of [...this.sip.calls.keys()]) await this.sip.hangup(callid);
    const end = this.host.now() + QUIET_MS;
    const rtps = [this.rtp, ...this.others.filter((one) => one instanceof Rtp && !one.dead)];
    const held = () => rtps.flatMap((one) => [...one.channels.keys()]);
    let busy = true;
    this.control.idle().then(() => (busy = false));
    const left = () => this.control.table.size + this.control.table.channels.size + held().length > 0;
    while (left() && (this.host.now() < end || busy || this.control.reclaim.waiting)) await this.turn();
    check.equal(this.control.table.ids(), [], "calls left over");
    check.equal(held(), [], "channels left over");
    check.equal(this.control.table.channels.size, 0, "channels remembered");
  }

  async stop() {
    await this.control.idle();
    await Promise.all([this.control.stop(), this.sip.stop(), this.rtp.stop(), ...this.others.map((one) => one.stop())]);
  }
}

async function run(host, scenario) {
  const world = await new World(host).start();
  try {
    await scenario(world);
    await world.finish();
    if (!world.expectserrors) check.equal(world.errors, [], "errors logged");
  } finally {
    await world.stop();
  }
}

module.exports = { run, World };
