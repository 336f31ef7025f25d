/**
 * All servers of one kind: which there are, how they do, and which one gets the next piece of work.
 *
 *   `projectcontrol.rtp` = {host, port} | URL | list of those ─► names resolved, again each 30 s ─► servers
 *   pick(near) ─► the server of `near` if it is open, else two at random and of these the one with more headroom
 *   each 2 s GET /ready and /status of each ─► up, full, draining, down; down or restarted ─► `onlost(server)`, back ─► `onback(server)`
 *
 * Shape:  settings are read at each use, so a script may change them at any time; a server that is no longer named gets no new work,
 *         and is looked at until what it holds is over.
 * Units:  `times.health`, `times.healthlimit`, `times.resolve`: milliseconds.
 * Errors: none; without any server `pick` gives `undefined`.
 */
"use strict";

const Server = require("./server.js");
const address = require("./address.js");

const PORTS = { sip: 9000, rtp: 9002 };
const LITERAL = /^[0-9.]+$|:/;

class Pool {
  #control;
  #which;
  #servers = new Map();
  #list = [];
  #left = [];
  #names = new Map();
  #resolving;
  #places = [];
  #given;
  #said = [];
  #known = false;
  #seen;
  #stop;

  /** @param {object} control @param {"sip"|"rtp"} which */
  constructor(control, which) {
    this.#control = control;
    this.#which = which;
    /** Told a server that has lost what it held: it is down, or was restarted. */
    this.onlost = () => undefined;
    /** Told a server that answers again. */
    this.onback = () => undefined;
  }

  /** @returns {"sip"|"rtp"} */
  get which() {
    return this.#which;
  }

  /** @returns {Array<object>} The places that settings name: the same list until they change. */
  get places() {
    const given = this.#control[this.#which];
    if (given !== this.#given || !this.#same(given)) {
      this.#given = given;
      this.#said = [given].flat().map(said);
      this.#places = [given].flat().map((one) => address(one, PORTS[this.#which]));
      this.#known = false;
    }
    return this.#places;
  }

  /** Whether a setting says what it said: a script may write into the object that it gave. */
  #same(given) {
    const before = this.#said;
    if (!Array.isArray(given)) return before.length === 1 && same(given, before[0]);
    if (given.length !== before.length) return false;
    for (let at = 0; at < given.length; at += 1) if (!same(given[at], before[at])) return false;
    return true;
  }

  /** @returns {Server[]} All servers that settings name, as far as their names are resolved; not to be changed. */
  get servers() {
    this.#sync();
    return this.#list;
  }

  /** @returns {Server[]} Servers that are no longer named and still hold something. */
  get left() {
    this.#sync();
    return this.#left;
  }

  /** Whether each name has been looked up: then there is nothing to wait for. */
  get known() {
    this.#sync();
    this.#known ||= this.#list.length > 0 && this.#places.every(({ host }) => !this.#named(host) || this.#names.has(host));
    return this.#known;
  }

  /** How many servers there are, as of the last choice. */
  get count() {
    return this.#list.length;
  }

  /** As `pick`, if each name has been looked up; `undefined` if not: then `ready` waits for it. */
  pickknown(near) {
    return this.known ? this.#choose(near, undefined) : undefined;
  }

  /** Waits until each name has been looked up once. */
  async ready() {
    if (!this.known && this.places.some(({ host }) => this.#named(host) && !this.#names.has(host))) await this.resolve();
  }

  /**
   * The server for a new piece of work.
   * @param {Server} [near] The server to prefer.
   * @param {Set<Server>} [tried] Those that have refused it.
   * @returns {Server|undefined}
   */
  pick(near, tried) {
    this.#sync();
    return this.#choose(near, tried);
  }

  #choose(near, tried) {
    const servers = this.#list;
    if (near?.open && !tried?.has(near) && servers.includes(near)) return near;
    const all = tried ? servers.filter((one) => !tried.has(one)) : servers;
    if (all.length < 2) return all[0];
    const open = all.filter((one) => one.open);
    const active = open.filter((one) => !one.standby);
    // All down or full by our knowledge: it may be old, and one try costs little.
    const from = [active, open, all].find((list) => list.length > 0);
    if (!from) return undefined;
    const [a, b] = [this.#any(from), this.#any(from)];
    return b.headroom > a.headroom ? b : a;
  }

  /** The server of that place, made known if it was not: an old call may be on one that settings no longer name. */
  at(place) {
    const server = [...this.servers, ...this.#left].find((one) => Server.key(one) === Server.key(place));
    return server ?? new Server(place, this.#control.host.now());
  }

  /** A request did not reach it. */
  missed(server) {
    if (server.missed?.(this.#control.host.now())) this.#lost(server, "is down");
  }

  /** Begins to look after the servers. */
  watch() {
    const again = () => {
      const { health } = this.#control.times;
      this.#stop = this.#control.host.timer(health, () => this.look().finally(() => this.#stop && again()));
    };
    again();
  }

  /** Ends it. */
  close() {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Looks at each server once. */
  async look() {
    const now = this.#control.host.now();
    const { resolve } = this.#control.times;
    const old = this.places.some(({ host }) => this.#named(host) && now - (this.#names.get(host)?.at ?? 0) > resolve);
    if (old) await this.resolve();
    if (this.left.length > 0) {
      const held = this.#control.table.holders();
      this.#left = this.#left.filter((server) => held.has(server));
    }
    await Promise.all([...this.servers, ...this.#left].map((server) => this.#look(server)));
  }

  async #look(server) {
    const peer = this.#control[`${this.#which}peer`];
    const ask = (path) => peer.request("GET", path, undefined, { server, probe: true, limit: this.#control.times.healthlimit });
    const ready = await ask("/ready");
    const status = ready.unreachable ? ready : await ask("/status");
    const now = this.#control.host.now();
    if (status.unreachable) {
      if (server.missed(now)) this.#lost(server, "is down");
      return;
    }
    const { load, draining, uptime, started } = status.json ?? {};
    // A server without `/ready` is one of old: it answers, so it takes work.
    const report = { ready: ready.code < 500, draining: draining === true, headroom: load?.headroom, uptime, started };
    const happened = server.answered(report, now);
    if (happened === "restarted") this.#lost(server, "was restarted");
    if (happened) {
      this.#control.host.log("info", `${this.#which} server ${server.key} answers again`);
      this.onback(server);
    }
  }

  #lost(server, what) {
    this.#control.host.log("warn", `${this.#which} server ${server.key} ${what}`);
    this.onlost(server);
  }

  /** Looks up all names, one at a time for all who ask. */
  resolve() {
    this.#resolving ??= this.#resolve().finally(() => (this.#resolving = undefined));
    return this.#resolving;
  }

  async #resolve() {
    const { host, times } = this.#control;
    for (const { host: name } of this.places) {
      if (!this.#named(name)) continue;
      let addresses = this.#names.get(name)?.addresses;
      try {
        const found = await host.resolve(name);
        if (found.length > 0) addresses = found;
      } catch (error) {
        host.log("warn", `${this.#which} server ${name}: ${error.message}; looked up again in ${times.resolve / 1000} s`);
      }
      this.#names.set(name, { at: host.now(), addresses });
    }
    this.#seen = undefined;
  }

  #named(host) {
    return !LITERAL.test(host) && host !== "localhost" && this.#control.host.resolve !== undefined;
  }

  /** Brings the servers in line with the settings; those that stay keep what is known of them. */
  #sync() {
    const { places } = this;
    if (places === this.#seen) return;
    this.#seen = places;
    const before = new Map([...this.#left.map((server) => [server.key, server]), ...this.#servers]);
    this.#servers = new Map();
    for (const place of places) {
      for (const host of this.#names.get(place.host)?.addresses ?? [place.host]) {
        const one = { ...place, host };
        const key = Server.key(one);
        this.#servers.set(key, before.get(key) ?? new Server(one, this.#control.host.now()));
      }
    }
    this.#list = [...this.#servers.values()];
    this.#left = [...before.values()].filter((server) => !this.#servers.has(server.key));
  }

  #any(list) {
    return list[Math.floor(this.#control.random() * list.length)];
  }
}

/** All that one place of a setting says. */
function said(one) {
  return typeof one === "object" && one !== null ? { host: one.host, port: one.port, token: one.token, standby: one.standby } : one;
}

/** Whether it still says that: it is asked for each request. */
function same(one, before) {
  if (one === before) return true;
  if (typeof one !== "object" || one === null || typeof before !== "object" || before === null) return false;
  return one.host === before.host && one.port === before.port && one.token === before.token && one.standby === before.standby;
}

module.exports = Pool;
