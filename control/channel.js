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
const { parse } = require("./json.js");

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
  /** Once it is closing: whether it is over, and who waits for that. */
  #end;
  #seq = 0;
  #playing = false;
  #told = false;
  #links;

  /**
   * Asks an RTP server for a channel: the server of `near` if it takes more, else the better of two; the next if that refuses.
   * @param {object} control The `projectcontrol` object.
   * @param {Channel|undefined} near A channel that this one will be mixed with: same server, same core.
   * @param {{quiet?: boolean, only?: boolean, media?: {ip?: string, jitter?: {min?: number, max?: number}}}} [how] `quiet`: its events are
   *   of no interest; `only`: on the server of `near` or not at all; `media`: its address, and the bounds of its jitter buffer in milliseconds.
   * @returns {Promise<Channel>}
   * @throws {CallError} 503, no channel to be had; 488, none with such an address.
   */
  static open(control, near, how = NONE) {
    return new Promise((resolve, reject) => Channel.ask(control, near, how, resolve, reject));
  }

  /** The same without a promise. */
  static ask(control, near, how, done, failed) {
    const { rtppool } = control;
    const first = how.only ? near.server : rtppool.pickknown(near?.server);
    if (first) Channel.#try(control, near, how, first, done, failed);
    else rtppool.ready().then(() => Channel.#try(control, near, how, rtppool.pick(near?.server), done, failed));
  }

  static #try(control, near, { quiet = false, only = false, media = NONE }, first, done, failed) {
    if (first) Channel.#attempt({ control, near, quiet, only, media, done, failed, tried: undefined }, first);
    else failed(refused({ message: "no RTP server is named" }));
  }

  /** Asks one server. */
  static #attempt(asking, server) {
    const { control, near, quiet, only, media } = asking;
    const { rtppool, rtppeer } = control;
    const id = control.nextid(quiet ? "link" : "call");
    const beside = server === near?.server ? near.uuid : undefined;
    const how = { once: true, server, probe: (asking.tried?.size ?? 0) + 1 < rtppool.count };
    rtppeer.send("POST", "/channel", wish(id, quiet ? undefined : control.url, beside, media), how, (reply) => {
      const found = reply.code === 200 ? control.picks.channel(reply.text) : undefined;
      if (found?.[0]) {
        server.took(found[3]);
        const channel = new Channel(control, server, { uuid: found[0], ip: found[1], port: found[2] }, id);
        control.host.keep?.("channel", channel);
        asking.done(channel);
        return;
      }
      if (reply.unreachable && !reply.unsent) control.reclaim.watch(server, id);
      (asking.tried ??= new Set()).add(server);
      // A request that is wrong for one is wrong for all.
      const next = only || reply.code < 500 ? undefined : rtppool.pick(undefined, asking.tried);
      if (next) Channel.#attempt(asking, next);
      else asking.failed(refused(reply));
    });
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

  /** The same without a promise. @param {function(object): void} done Gets the reply. */
  aim(audio, text, done) {
    this.#audio = audio;
    if (this.closed) done(GONE);
    else this.#send("PUT", "", text, this.#how, done);
  }

  /** Joins the group of another channel; what either plays is stopped first, for it would drown the other side. */
  mix(other) {
    return this.#playing || other.playing ? Promise.all([this.stop(), other.stop()]).then(() => this.#mix(other)) : this.#mix(other);
  }

  #mix(other) {
    if (other.server === this.server) return this.mixhere(other);
    if (this.#links?.has(other)) return Promise.resolve({ code: 200, message: "linked already", json: {} });
    if (this.closed || other.closed) return Promise.resolve(GONE);
    return new Link(this, other).join();
  }

  /** The same, of channels known to be on one server. */
  mixhere(other) {
    return this.#ask("PUT", `/mix/${other.uuid}`, undefined, undefined, EMPTY);
  }

  /** A link to a channel elsewhere has begun, or ended (`undefined`). */
  linked(other, link) {
    if (link) (this.#links ??= new Map()).set(other, link);
    else this.#links?.delete(other);
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
    if (this.closed) return (await this.close()).stats;
    const reply = await this.#ask("GET", "");
    return reply.code === 200 ? reply.json : null;
  }

  /** @returns {boolean} Whether it was given back or is lost. */
  get closed() {
    return this.#end !== undefined;
  }

  /**
   * Gives the channel back; again and again is the same as once.
   * @returns {Promise<Channel>} Itself, with its final statistics.
   */
  close() {
    return new Promise((resolve) => this.end(() => resolve(this)));
  }

  /** The same without a promise. @param {function(): void} done */
  end(done) {
    if (this.#end === undefined) {
      this.#end = { over: false, waiting: [done] };
      this.#close();
    } else if (this.#end.over) done();
    else this.#end.waiting.push(done);
  }

  #close() {
    this.#owner.table.leave(this.uuid);
    const parted = this.#links === undefined ? undefined : this.#unlink();
    const over = () => {
      this.#end.over = true;
      for (const done of this.#end.waiting.splice(0)) done();
    };
    this.#send("DELETE", "", undefined, this.#how, (reply) => {
      if (reply.code === 200) this.#final(() => reply.json);
      else if (reply.unreachable && this.#id) this.#owner.reclaim.watch(this.#server, this.#id);
      if (parted === undefined) over();
      else parted.then(over);
    });
  }

  /** Its final statistics, read when they are looked at: the first ones told count. */
  #final(read) {
    if (this.#told) return;
    this.#told = true;
    later(this, "stats", read);
  }

  /** Its server has lost it: nothing is left to give back there. */
  lost() {
    this.owner.table.leave(this.uuid);
    this.#end ??= { over: true, waiting: [] };
    return this.#unlink();
  }

  #unlink() {
    return Promise.all([...(this.#links?.values() ?? NOTHING)].map((link) => link.part()));
  }

  /**
   * Takes note of an event of the server.
   * @param {object} event Body of `PUT /channel/{uuid}`; the `stats` of one that closes may be a text.
   * @returns {boolean} `false` if it is stale or a repetition.
   */
  heard(event) {
    if (event.seq !== undefined) {
      if (event.seq <= this.#seq) return false;
      this.#seq = event.seq;
    }
    if (event.action === "play" && event.event === "end" && event.reason !== "replaced") this.#playing = false;
    if (event.action === "close") {
      const { stats } = event;
      if (stats !== undefined && stats !== null) this.#final(typeof stats === "string" ? () => parse(stats) : () => stats);
      // The server closed it by itself: there is nothing left to give back.
      this.lost();
    }
    return true;
  }

  #ask(method, verb, body, how, text) {
    if (this.closed) return Promise.resolve(GONE);
    return this.#turn(method, verb, body, how, text);
  }

  /** @param {string} [text] JSON of the body, if it is there already. */
  #turn(method, verb, body, how, text = body === undefined ? undefined : JSON.stringify(body)) {
    return new Promise((resolve) => this.#send(method, verb, text, how === undefined ? this.#how : { ...how, ...this.#how }, resolve));
  }

  /** In its turn. @param {function(object): void} done Gets the reply. */
  #send(method, verb, text, how, done) {
    if (this.#lane.take()) this.#now(method, verb, text, how, done);
    else this.#lane.wait(() => this.#now(method, verb, text, how, done));
  }

  #now(method, verb, text, how, done) {
    this.#peer.send(method, `/channel/${this.uuid}${verb}`, text, how, (reply) => {
      this.#lane.next();
      done(reply);
    });
  }
}

/** RFC 3261 §20.43, warning 301: incompatible network address formats. */
function refused({ code, message }) {
  return new CallError(code === 422 ? 488 : 503, `unable to create channel: ${message}`);
}

/** The JSON of `POST /channel`. Our names, addresses and the names of channels have nothing in them that JSON escapes. */
function wish(id, control, near, { ip, jitter }) {
  const known = `{"id":"${id}"${control === undefined ? "" : `,"control":"${control}"`}${near === undefined ? "" : `,"near":"${near}"`}`;
  return ip === undefined && jitter === undefined ? `${known}}` : `${known},${JSON.stringify({ ip, jitter }).slice(1)}`;
}

module.exports = Channel;
