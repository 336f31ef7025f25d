/**
 * One channel of an RTP server: where a call's audio arrives and leaves.
 *
 *   open ──► target / mix / unmix / play / echo … in the order asked ──► close, once
 *
 * Shape:  documented fields `ip`, `port`, `control`, `uuid`, `codecs`; one request in flight per channel, so order is kept.
 *         Two channels of different servers are mixed through a pair of channels between them, see link.js.
 * Units:  ports are UDP ports; statistics as the RTP server gives them.
 * Errors: `open` throws `CallError` 503. The verbs answer the server's reply and never reject; after `close` they answer 410.
 */
"use strict";

const CallError = require("./callerror.js");
const Lane = require("./lane.js");
const Link = require("./link.js");
const later = require("./later.js");

const NONE = Object.freeze({});
const NOTHING = Object.freeze([]);
const EMPTY = "{}";
const GONE = { code: 410, message: "channel is closed", json: {} };

class Channel {
  #id;
  #peer;
  #owner;
  #server;
  #audio;
  #soup;
  #levels;
  #lane = new Lane();
  #how;
  #closing;
  #seq = 0;
  #playing = false;
  #links = new Map();

  /**
   * Asks an RTP server for a channel: the server of `near` if it takes more, else the better of two; the next if that refuses.
   * @param {object} control The `projectcontrol` object.
   * @param {Channel|undefined} near A channel that this one will be mixed with: same server, same core.
   * @param {{quiet?: boolean, only?: boolean, media?: {ip?: string, jitter?: {min?: number, max?: number}}}} [how] `quiet`: its events are
   *   of no interest; `only`: on the server of `near` or not at all; `media`: its address, and the bounds of its jitter buffer in milliseconds.
   * @returns {Promise<Channel>}
   * @throws {CallError} 503, no channel to be had; 488, none with such an address.
   */
  static async open(control, near, { quiet = false, only = false, media = NONE } = {}) {
    const { rtppool, rtppeer } = control;
    if (!rtppool.known) await rtppool.ready();
    const tried = new Set();
    let reply = { message: "no RTP server is named" };
    for (let server = only ? near.server : rtppool.pick(near?.server, tried); server; server = only ? undefined : rtppool.pick(undefined, tried)) {
      tried.add(server);
      const id = control.nextid(quiet ? "link" : "call");
      const body = { id, control: quiet ? undefined : control.url, near: server === near?.server ? near.uuid : undefined, ip: media.ip, jitter: media.jitter };
      reply = await rtppeer.request("POST", "/channel", body, { once: true, server, probe: tried.size < rtppool.servers.length });
      const [uuid, ip, port, headroom] = (reply.code === 200 && control.picks.channel(reply.text)) || NOTHING;
      if (uuid) {
        server.took(headroom);
        return new Channel(control, server, { uuid, ip, port }, id);
      }
      if (reply.unreachable && !reply.unsent) control.reclaim.watch(server, id);
      // A request that is wrong for one is wrong for all.
      if (reply.code < 500) break;
    }
    // RFC 3261 §20.43, warning 301: incompatible network address formats.
    throw new CallError(reply.code === 422 ? 488 : 503, `unable to create channel: ${reply.message}`);
  }

  constructor(control, server, { uuid, ip, port }, id) {
    this.#id = id;
    this.#peer = control.rtppeer;
    this.#how = { server };
    /** Address for SDP. */
    this.ip = ip;
    /** UDP port for SDP. */
    this.port = port;
    /** The RTP server that has it. */
    this.control = { host: server.host, port: server.port };
    /** Its name there. */
    this.uuid = uuid;
    /** Codec words that the call was opened with. */
    this.codecs = [];
    /** What the server told at the end; `null` before, or if it could not be asked. */
    this.stats = null;
    this.#owner = control;
    this.#server = server;
  }

  // Not of its own properties: what is printed of a channel is what was documented.
  /** The control server that opened it. */
  get owner() {
    return this.#owner;
  }
  /** The RTP server that has it. @returns {Server} */
  get server() {
    return this.#server;
  }
  /** What was asked of gain and mute: a channel that takes its place gets the same. */
  get levels() {
    return (this.#levels ??= {});
  }

  /** Whether a play that was asked for may still be running. */
  get playing() {
    return this.#playing;
  }

  /** Payloads of its far end, `undefined` before there is one. */
  get audio() {
    return this.#audio;
  }
  /** What was played last. */
  get soup() {
    return this.#soup;
  }

  /** Far end, see `Sdp.target`: its `audio`, and the whole of it as JSON. */
  target(audio, text) {
    this.#audio = audio;
    return this.#ask("PUT", "", undefined, undefined, text);
  }

  /** Joins the group of another channel; what either plays is stopped first, for it would drown the other side. */
  async mix(other) {
    await Promise.all([this.stop(), other.stop()]);
    if (other.server === this.server) return this.mixhere(other);
    if (this.#links.has(other)) return { code: 200, message: "linked already", json: {} };
    if (this.#closing || other.closed) return GONE;
    return new Link(this, other).join();
  }

  /** The same, of channels known to be on one server. */
  mixhere(other) {
    return this.#ask("PUT", `/mix/${other.uuid}`, undefined, undefined, EMPTY);
  }

  /** A link to a channel elsewhere has begun, or ended (`undefined`). */
  linked(other, link) {
    if (link) this.#links.set(other, link);
    else this.#links.delete(other);
  }

  async unmix() {
    const reply = this.#ask("PUT", "/unmix", {});
    await this.#unlink();
    return reply;
  }

  /** @param {object} soup Sound soup: `{loop?, files: [{wav, start?, stop?, loop?}]}`, times in milliseconds. */
  play(soup) {
    this.#playing = true;
    this.#soup = soup;
    return this.#ask("PUT", "/play", soup);
  }

  /** Ends what plays, if anything does. */
  stop() {
    if (!this.#playing) return Promise.resolve({ code: 200, message: "nothing plays", json: {} });
    this.#playing = false;
    return this.#ask("DELETE", "/play");
  }

  /** Sends back what it hears. */
  echo() {
    return this.#ask("PUT", "/echo", {});
  }

  /** @param {object} options `{file, format?, numchannels?, minduration?, maxduration?, …}`, times in milliseconds. */
  record(options) {
    return this.#ask("PUT", "/record", options);
  }

  /** Ends a recording: that of `file`, or all. */
  stoprecord(file) {
    return this.#ask("DELETE", file === undefined ? "/record" : `/record/${encodeURIComponent(file)}`);
  }

  /** @param {string} digits `0-9 A-D * #`, sent as RFC 4733 events. @param {{duration?: number, gap?: number}} [how] Milliseconds. */
  dtmf(digits, how = {}) {
    return this.#ask("PUT", "/dtmf", { digits, ...how }, { once: true });
  }

  /** @param {{send: boolean, recv: boolean}} ways */
  direction(ways) {
    return this.#ask("PUT", "/direction", ways);
  }

  /** @param {{in?: number, out?: number, group?: number}} levels dB, -60 to 20: what comes from the far end, what it hears, all voices of the mix. */
  gain(levels) {
    this.levels.gain = { ...this.levels.gain, in: levels.in ?? this.levels.gain?.in, out: levels.out ?? this.levels.gain?.out };
    return this.#ask("PUT", "/gain", levels);
  }

  /** @param {{in?: boolean, out?: boolean}} [ways] Both, if none is named. */
  mute(ways = {}) {
    const both = ways.in === undefined && ways.out === undefined;
    this.levels.mute = both ? { in: true, out: true } : { ...this.levels.mute, ...ways };
    return this.#ask("PUT", "/mute", ways);
  }

  /** Ends mute both ways. */
  unmute() {
    this.levels.mute = undefined;
    return this.#ask("DELETE", "/mute");
  }

  /** Takes over the levels of the channel whose place it takes. */
  async level({ gain, mute }) {
    if (gain) await this.gain(gain);
    if (mute) await this.mute(mute);
  }

  /** @returns {Promise<object|null>} Statistics: the final ones, or those of now. */
  async figures() {
    if (this.#closing) return (await this.#closing).stats;
    const reply = await this.#ask("GET", "");
    return reply.code === 200 ? reply.json : null;
  }

  /** @returns {boolean} Whether it was given back or is lost. */
  get closed() {
    return this.#closing !== undefined;
  }

  /**
   * Gives the channel back; again and again is the same as once.
   * @returns {Promise<Channel>} Itself, with its final statistics.
   */
  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    this.owner.table.leave(this.uuid);
    const [reply] = await Promise.all([this.#turn("DELETE", ""), this.#unlink()]);
    if (reply.code === 200 && this.stats === null) later(this, "stats", () => reply.json);
    else if (reply.unreachable && this.#id) this.owner.reclaim.watch(this.server, this.#id);
    return this;
  }

  /** Its server has lost it: nothing is left to give back there. */
  lost() {
    this.owner.table.leave(this.uuid);
    this.#closing ??= Promise.resolve(this);
    return this.#unlink();
  }

  #unlink() {
    return Promise.all([...this.#links.values()].map((link) => link.part()));
  }

  /**
   * Takes note of an event of the server.
   * @param {object} event Body of `PUT /channel/{uuid}`.
   * @returns {boolean} `false` if it is stale or a repetition.
   */
  heard(event) {
    if (event.seq !== undefined) {
      if (event.seq <= this.#seq) return false;
      this.#seq = event.seq;
    }
    if (event.action === "play" && event.event === "end" && event.reason !== "replaced") this.#playing = false;
    if (event.action === "close") {
      this.stats ??= event.stats ?? null;
      // The server closed it by itself: there is nothing left to give back.
      this.lost();
    }
    return true;
  }

  #ask(method, verb, body, how, text) {
    if (this.#closing) return Promise.resolve(GONE);
    return this.#turn(method, verb, body, how, text);
  }

  /** @param {string} [text] JSON of the body, if it is there already. */
  #turn(method, verb, body, how, text = body === undefined ? undefined : JSON.stringify(body)) {
    return new Promise((resolve) => {
      this.#lane.run(() => {
        this.#peer.send(method, `/channel/${this.uuid}${verb}`, text, how === undefined ? this.#how : { ...how, ...this.#how }, (reply) => {
          this.#lane.next();
          resolve(reply);
        });
      });
    });
  }
}

module.exports = Channel;
