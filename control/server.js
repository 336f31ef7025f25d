/**
 * One project-sip or project-rtp among several: where it is, how it is doing, what it carries.
 *
 *   up ◄──► full, draining (not ready: no new work)          up ─► suspect (one request failed) ─► down (so did the looks after it)
 *
 * Shape:  `state` is one of those words; `load` is a guess between two reports, corrected by each of them.
 * Units:  `headroom` 0 to 1, as the RTP server tells; `since` milliseconds since 1970.
 * Errors: none.
 */
"use strict";

const VERSION = require("./version.js");

/** Looks in vain before a server counts as down: two, so that one lost packet moves nobody. */
const FAILED_MAX = 2;
/** What a channel is worth until the server tells. */
const CHANNEL_COST = 0.001;

class Server {
  /** @param {{host: string, port: number, token?: string, standby?: boolean}} place @param {number} now */
  constructor(place, now) {
    Object.assign(this, { host: place.host, port: place.port });
    // Not enumerable: a status that is printed shows no secret.
    Object.defineProperty(this, "token", { value: place.token });
    const headers = { "user-agent": `project-control/${VERSION}`, ...(place.token && { authorization: `Bearer ${place.token}` }) };
    /** What each request to it carries: without a body, and with one. */
    Object.defineProperty(this, "headers", { value: [Object.freeze(headers), Object.freeze({ ...headers, "content-type": "application/json" })] });
    /** What the host knows it by, once it does. */
    Object.defineProperty(this, "origin", { value: undefined, writable: true });
    /** Only taken when no other can be. */
    this.standby = place.standby === true;
    this.state = "up";
    this.since = now;
    this.headroom = 1;
    /** Looks and requests failed in a row. */
    this.failures = 0;
    /** Work placed there since we started. */
    this.placed = 0;
    /** Seconds it has run, at the last look; less than before is a restart. */
    this.uptime = undefined;
    this.started = undefined;
  }

  /** @returns {string} Its name in logs and tables. */
  get key() {
    return Server.key(this);
  }

  /** @returns {boolean} Whether new work may be placed there. */
  get open() {
    return this.state === "up" || this.state === "suspect";
  }

  /** Something was placed: less room until it tells. @param {number} [headroom] What it told. */
  took(headroom) {
    this.placed += 1;
    this.headroom = Number.isFinite(headroom) ? headroom : Math.max(0, this.headroom - CHANNEL_COST);
  }

  /** It did not answer. @returns {boolean} Whether it is down by that, and was not before. */
  missed(now) {
    this.failures += 1;
    const before = this.state;
    this.#enter(this.failures >= FAILED_MAX ? "down" : before === "down" ? "down" : "suspect", now);
    return this.state === "down" && before !== "down";
  }

  /** It shuts down: nothing new goes there. */
  leaves(now) {
    this.#enter("draining", now);
  }

  /**
   * It answered a look.
   * @param {{ready: boolean, draining?: boolean, headroom?: number, uptime?: number, started?: number}} report
   * @returns {"restarted"|"returned"|undefined} What had happened to it.
   */
  answered({ ready, draining, headroom, uptime, started }, now) {
    const before = this.state;
    this.failures = 0;
    if (Number.isFinite(headroom)) this.headroom = headroom;
    this.#enter(ready ? "up" : draining ? "draining" : "full", now);
    // Whole seconds hide a server that lived for less than two looks; when it started tells.
    const other = started !== undefined && this.started !== undefined && started !== this.started;
    const restarted = other || (Number.isFinite(uptime) && this.uptime !== undefined && uptime < this.uptime);
    if (Number.isFinite(uptime)) this.uptime = uptime;
    if (started !== undefined) this.started = started;
    return restarted ? "restarted" : before === "down" ? "returned" : undefined;
  }

  #enter(state, now) {
    if (state !== this.state) this.since = now;
    this.state = state;
  }

  static key({ host, port }) {
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }
}

module.exports = Server;
