/**
 * All live calls of this process, by Call-ID and by channel, and where their snapshots go.
 *
 *   snapshot ─► known call ───────────────► its progress
 *            ─► ended a while ago ────────► dropped
 *            ─► ours, Call-ID not told yet ► kept until the INVITEs under way are answered
 *            ─► new ──────────────────────► new call, `onnewcall`; with `replaces` in the place of another, replace.js
 *            ─► in mid-call ──────────────► taken over without `onnewcall` (we were restarted)
 *
 * Shape:  at most `max` calls; the last 4096 ended Call-IDs are remembered, against late repetitions.
 * Errors: a full table refuses new calls (`admits`), so the SIP server answers the caller with 503.
 */
"use strict";

const Call = require("./call.js");
const CallState = require("./callstate.js");
const Lane = require("./lane.js");
const { OFFERS } = require("./progress.js");
const replace = require("./replace.js");
const { Snapshot } = require("./snapshot.js");

/** 128 ends a second for the 32 s that a SIP server may go on repeating an event. */
const ENDED_MAX = 4096;
/** 64 channels given back a second, for as long. */
const LEFT_MAX = 2048;

/** Names of plain objects that each call makes, in the order in which they are written there: of one that has changed only the sharing is lost. */
const MOMENTS = [
  "when what",
  "value",
  "value writable",
  "value writable enumerable configurable",
  "get set enumerable configurable",
  "ring answered hold",
  "user domain",
  "number name",
  "code status",
  "once server probe",
  "server",
  "near",
  "media",
  "over waiting",
  "host port",
  "uuid ip port",
  "ip port codecs sessionid prefer",
  "action event reason seq stats",
  "control near quiet only media done failed tried",
  "control call request sdp resolve tried",
  "from to domain maxforwards cid control headers autoanswer idempotency",
];

class CallTable {
  #control;
  #calls = new Map();
  #ended = new Set();
  #placing = new Set();
  #placings = 0;
  #early = new Map();
  #left = new Set();

  constructor(control, max) {
    this.#control = control;
    /** Most calls at once. */
    this.max = max;
    /** Channel uuid → call. */
    this.channels = new Map();
    /** Calls ever. */
    this.counter = 0;
  }

  /** @returns {number} Calls that have a Call-ID, now. */
  get size() {
    return this.#calls.size;
  }

  /** @returns {string[]} Call-IDs. */
  ids() {
    return [...this.#calls.keys()];
  }

  get(callid) {
    return this.#calls.get(callid);
  }

  /** @returns {object[]} The live calls. */
  list() {
    return [...this.#calls.values()];
  }

  /** @returns {object[]} The live calls, and those that hold a channel and have no Call-ID yet. */
  everyone() {
    return [...new Set([...this.#calls.values(), ...this.channels.values()])];
  }

  /** @returns {Set<object>} The servers that hold a call or a channel of ours. */
  holders() {
    return new Set(this.everyone().flatMap((call) => [call.dialog.server, call.metadata.channel?.server]));
  }

  /** A call object, not yet in the table. */
  create(callinfo) {
    this.counter += 1;
    const call = new Call(this.#control, callinfo);
    if (this.counter === 1) this.#keep(call);
    return call;
  }

  /** Shows the host what each call makes. */
  #keep(call) {
    const { host } = this.#control;
    if (!host.keep) return;
    host.keep("call", call, CallState.HIDDEN);
    for (const part of ["callbacks", "dialog", "session", "progress", "metadata"]) host.keep(part, call[part]);
    host.keep("family", call.metadata.family);
    host.keep("lane", new Lane());
    for (const names of MOMENTS) host.keep(names, Object.fromEntries(names.split(" ").map((name) => [name, undefined])));
  }

  /** Whether a snapshot can be taken: always, unless it would be one call too many. */
  admits(callid) {
    return this.#calls.has(callid) || this.#ended.has(callid) || this.#calls.size < this.max;
  }

  /** A call is being placed; snapshots that may be its first wait for it. @returns {function(): void} To be called when it is. */
  originating() {
    this.#placings += 1;
    const number = this.#placings;
    this.#placing.add(number);
    return () => {
      this.#placing.delete(number);
      if (this.#early.size > 0) this.#release();
    };
  }

  /** A call that we made has got its Call-ID. */
  placed(call) {
    const { callid } = call.known;
    if (call.hungup) return;
    this.#calls.set(callid, call);
    const kept = this.#early.get(callid);
    this.#early.delete(callid);
    if (kept) for (const info of kept.infos) call.progress.handle(call, info);
  }

  /** Takes a snapshot; see the header. */
  snapshot(info, server) {
    const { callid } = info;
    const known = this.#calls.get(callid);
    if (known) known.progress.handle(known, info);
    else if (this.#ended.has(callid)) return;
    else if (this.#early.has(callid)) this.#early.get(callid).infos.push(info);
    // Those under way now are the only ones it can belong to.
    else if (info.originator && this.#placing.size > 0) this.#early.set(callid, { infos: [info], server, until: this.#placings });
    else this.#meet(info, server);
  }

  /** A channel was given back or is lost: what its server still tells of it is no news. */
  leave(uuid) {
    this.#left.add(uuid);
    if (this.#left.size > LEFT_MAX) this.#left.delete(this.#left.values().next().value);
  }

  /** Whether a channel was ours a while ago. */
  left(uuid) {
    return this.#left.has(uuid);
  }

  /** Runs call processing: the script's `onnewcall`. */
  arrived(call) {
    const { callbacks } = this.#control;
    for (const callback of callbacks.list("onnewcall").concat(call.callbacks.take("onnewcall"))) {
      this.#control.invoke(callback, call, "onnewcall");
    }
  }

  /** The call is over. */
  remove(call) {
    const { callid } = call.known;
    if (callid === undefined) return;
    this.#calls.delete(callid);
    this.#ended.add(callid);
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.values().next().value);
  }

  /** Snapshots of calls that are none of those placed since: the oldest come first, in both. */
  #release() {
    const [oldest = Infinity] = this.#placing;
    for (const [callid, { infos, server, until }] of this.#early) {
      if (until >= oldest) return;
      this.#early.delete(callid);
      for (const info of infos) this.snapshot(info, server);
    }
  }

  #meet(info, server) {
    // Over before we heard of it: nothing to process.
    if (info.hangup) return;
    const call = this.create(info instanceof Snapshot ? info.fresh() : { ...info, ring: false, answered: false, hold: false, hangup: false });
    call.dialog.server = server;
    this.#calls.set(info.callid, call);
    if (info.originator || info.answered) {
      call.history = "Taken over in mid-call";
      call.progress.takeover(call, info);
      // An event that wants an answer gets one.
      if (OFFERS.has(info.event)) call.progress.handle(call, { ...(info instanceof Snapshot ? info.whole() : info), seq: undefined });
      return;
    }
    call.history = "New call";
    const replaced = this.#calls.get(info.replaces);
    if (replaced && replaced !== call) {
      call.callinfo = info instanceof Snapshot ? info.whole() : { ...info };
      this.#control.track(replace.start(call, replaced));
    } else this.arrived(call);
    call.progress.handle(call, info);
  }
}

module.exports = CallTable;
