/**
 * A snapshot of which only what the library looks at has been read: the rest of its text is, when a script asks for it.
 *
 *   text ─► fields at once: Call-ID, states, who and where ─► `them` as a text (description.js) ─► `whole()`: the plain object
 *
 * Shape:  made only where the host reads fields quickly (`host.picker`) and of snapshots without rare fields (a transfer, digits,
 *         contacts of a 3xx); else a snapshot is the plain object. Both are read by the same names; `sdp` of a whole one is read when it is looked at.
 * Errors: `read` gives `undefined` for a text that must be read whole.
 */
"use strict";

const Description = require("./description.js");
const later = require("./later.js");
const { parse } = require("./json.js");

const FIELDS = "callid seq event originator domain from to maxforwards callerid.number callerid.name error.code error.status replaces sdp sdp.them ring answered hold hangup";
/** A snapshot with one of these is read whole. */
const RARE = "!refer !digits !dtmf !contacts";
const [CALLID, SEQ, EVENT, ORIGINATOR, DOMAIN, FROM, TO, MAXFORWARDS, NUMBER, NAME, CODE, STATUS, REPLACES, SDP, THEM, RING, ANSWERED, HOLD, HANGUP] = Array(30).keys();
/** Whether the host has been shown a plain object. */
let shown = false;
const SDP_KEY = ',"sdp":';

class Snapshot {
  /** @returns {function(string): Snapshot|undefined} What reads texts; `undefined` if the host has no quick way. */
  static reader(host) {
    const pick = host.picker?.(`${FIELDS} ${RARE}`);
    if (!pick) return undefined;
    host.keep?.("snapshot", new Snapshot("", [], host));
    host.keep?.("description", new Description());
    return (text) => {
      const head = pick(text);
      if (head === undefined || typeof head[CALLID] !== "string") return undefined;
      // Where a redirect points stands in one of several fields.
      if (head[CODE] >= 300 && head[CODE] < 400) return undefined;
      return new Snapshot(text, head, host);
    };
  }

  constructor(text, head, host) {
    this.text = text;
    this.head = head;
    this.host = host;
    this.description = undefined;
    this.ring = head[RING] === true;
    this.answered = head[ANSWERED] === true;
    this.hold = head[HOLD] === true;
    this.hangup = head[HANGUP] === true;
  }

  get callid() {
    return this.head[CALLID];
  }
  get seq() {
    return this.head[SEQ];
  }
  get event() {
    return this.head[EVENT];
  }
  get originator() {
    return this.head[ORIGINATOR];
  }
  get domain() {
    return this.head[DOMAIN];
  }
  get from() {
    return this.head[FROM];
  }
  get to() {
    return this.head[TO];
  }
  get maxforwards() {
    return this.head[MAXFORWARDS];
  }
  get replaces() {
    return this.head[REPLACES];
  }
  get callerid() {
    return { number: this.head[NUMBER], name: this.head[NAME] };
  }
  get error() {
    return { code: this.head[CODE], status: this.head[STATUS] };
  }
  /** Their description, if there is one. */
  get them() {
    const text = this.head[THEM];
    if (this.description === undefined && typeof text === "string") this.description = Description.read(this.host, text);
    return this.description;
  }

  /** The same with the states of a call of which nothing is known yet. */
  fresh() {
    const copy = new Snapshot(this.text, this.head, this.host);
    copy.description = this.description;
    copy.ring = copy.answered = copy.hold = copy.hangup = false;
    return copy;
  }

  /** @returns {object} The plain object, with the states as they are now. */
  whole() {
    const { text, ring, answered, hold, hangup } = this;
    const sdp = this.head[SDP];
    const at = typeof sdp === "string" ? text.length - sdp.length - 1 : 0;
    let info;
    if (at > SDP_KEY.length && text.slice(at - SDP_KEY.length, at) === SDP_KEY && text.slice(at, -1) === sdp) {
      info = parse(`${text.slice(0, at - SDP_KEY.length)}}`);
      later(info, "sdp", () => parse(sdp));
    } else info = parse(text);
    info.ring = ring;
    info.answered = answered;
    info.hold = hold;
    info.hangup = hangup;
    const { host } = this;
    if (!shown && host.keep) {
      shown = true;
      host.keep("callinfo", info);
      for (const name in info) if (name !== "sdp" && typeof info[name] === "object" && info[name] !== null) host.keep(`callinfo.${name}`, info[name]);
    }
    return info;
  }
}

/** Their description in a snapshot of either kind. @returns {Description|undefined} */
function theirs(info) {
  if (info instanceof Snapshot) return info.them;
  const them = info.sdp?.them;
  return them === undefined || them === null ? undefined : new Description(them);
}

module.exports = { Snapshot, theirs };
