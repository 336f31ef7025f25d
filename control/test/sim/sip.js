/**
 * A SIP server as control sees it: keeps dialogs, sends snapshots in order, one in flight per call.
 *
 *   incoming() ─► snapshot `new` ─► control      control ─► ring answer ok ack hangup … ─► snapshots that follow from it
 *
 * Shape:  `calls` holds the snapshot of each live dialog. A test plays the phone: `phone(callid, change)`.
 */
"use strict";

const Server = require("./server.js");

class Sip extends Server {
  #numbers = 0;
  #queues = new Map();
  #keys = new Map();

  constructor(host) {
    super(host);
    this.calls = new Map();
    this.directory = new Map();
    /** What becomes of a snapshot before it is sent: return `false` to lose it. */
    this.filter = () => true;
    /** Whether a hang-up of control is followed by the last event. */
    this.confirms = true;
  }

  /** A phone calls. @returns {Promise<string>} Call-ID, once control has taken the call. */
  async incoming(fields = {}) {
    this.#numbers += 1;
    const callid = fields.callid ?? `in-${this.#numbers}`;
    await this.#new(callid, { originator: false, from: "1000", to: "1003", sdp: { them: Sip.sdp(20000), us: {} }, ...fields });
    return callid;
  }

  /** The far end of a call does something. @returns {Promise<object>} Control's answer. */
  phone(callid, change, event) {
    const state = this.calls.get(callid);
    if (!state) return Promise.resolve({ status: 404 });
    Object.assign(state, change);
    if (change.hangup) this.calls.delete(callid);
    state.seq += 1;
    const snapshot = { ...state, ...(event === undefined ? {} : { event }) };
    return this.#send(callid, snapshot);
  }

  ring(callid) {
    return this.phone(callid, { ring: true }, "ringing");
  }

  answer(callid, sdp = Sip.sdp(30000)) {
    const state = this.calls.get(callid);
    return this.phone(callid, { answered: true, sdp: { ...state?.sdp, them: sdp } }, "answered");
  }

  hangup(callid, code = 0, status = "") {
    return this.phone(callid, { hangup: true, error: { code, status } }, "hangup");
  }

  /** The dialog that control made to this user. */
  outgoing(user) {
    return this.until(() => [...this.calls.values()].find((call) => call.originator && call.to === user && call.announced), `a call to ${user}`);
  }

  /** Session description of a phone. */
  static sdp(port, payloads = [8, 0, 101], extra = {}) {
    const rtpmap = { 0: { encoding: "PCMU", clock: 8000 }, 8: { encoding: "PCMA", clock: 8000 }, 101: { encoding: "telephone-event", clock: 8000 } };
    const named = Object.fromEntries(payloads.filter((payload) => rtpmap[payload]).map((payload) => [payload, rtpmap[payload]]));
    return {
      v: 0,
      o: { username: "-", sessionid: port, sessionversion: 1, nettype: "IN", ipver: 4, address: "127.0.0.1" },
      s: "phone",
      c: [{ nettype: "IN", ipver: 4, address: "127.0.0.1" }],
      t: { start: 0, stop: 0 },
      m: [{ media: "audio", port, proto: "RTP/AVP", payloads, direction: "sendrecv", rtpmap: named, ...extra }],
    };
  }

  async #new(callid, fields) {
    const state = { callid, domain: "bling.babblevoice.com", maxforwards: 70, authenticated: true, ring: false, answered: false, hold: false, hangup: false };
    Object.assign(state, { error: { code: 0, status: "" }, epochs: { start: 1, ring: 0, answer: 0, end: 0 }, seq: 1, event: "new" }, fields);
    this.calls.set(callid, state);
    return this.#send(callid, { ...state });
  }

  #send(callid, snapshot) {
    const turn = (this.#queues.get(callid) ?? Promise.resolve()).then(async () => {
      if (!this.filter(snapshot)) return { status: 0 };
      const body = JSON.stringify(snapshot);
      const sent = { method: "PUT", path: `${this.prefix ?? ""}/dialog/${callid}`, headers: { "content-type": "application/json" }, body, timeoutms: 5000 };
      const reply = await this.host.request({ host: "127.0.0.1", port: this.controlport, ...sent });
      this.stir();
      return reply;
    });
    const quiet = turn.catch(() => ({ status: 0 }));
    this.#queues.set(callid, quiet);
    return quiet;
  }

  /** What project-sip answers, and what then happens on the wire. */
  reply({ method, path, body }) {
    const [, kind, name] = path.split("/");
    if (kind === "dir" && method === "PUT") {
      this.directory.set(name, body);
      return { status: 201 };
    }
    if (kind === "dialog" && method === "GET") return this.calls.has(name) ? { json: this.calls.get(name) } : { status: 404, json: {} };
    if (kind !== "dialog") return { status: 404 };
    if (method === "POST" && name === "invite") return this.#originate(body);
    const state = this.calls.get(body?.callid);
    if (!state) return { status: 404, json: { error: "no_such_call", detail: `${body?.callid} is not known here` } };
    return this.#act(state, name, body);
  }

  #originate(body) {
    const before = this.#keys.get(body.idempotency);
    if (before) return { json: { callid: before } };
    this.#numbers += 1;
    const callid = `out-${this.name ?? ""}${this.#numbers}`;
    this.#keys.set(body.idempotency, callid);
    const { from, to, maxforwards, sdp } = body;
    const fields = { originator: true, from: from.user, to: to.user, domain: from.domain, maxforwards, sdp: { us: sdp, them: {} } };
    // The event may well be faster than the answer to the request.
    this.#new(callid, fields).then(() => {
      const state = this.calls.get(callid);
      if (state) state.announced = true;
      this.stir();
    });
    return { json: { callid } };
  }

  #act(state, name, body) {
    const { callid } = state;
    const conflict = { status: 409, json: { error: "wrong_state", detail: `${name} does not fit` } };
    switch (name) {
      case "ring":
      case "progress":
        return state.answered || state.originator ? conflict : {};
      case "answer":
        if (state.answered || state.originator) return conflict;
        state.sdp = { ...state.sdp, us: body.sdp };
        // Without an offer of theirs, their answer comes in the ACK.
        if (!state.sdp.them?.m) state.sdp.them = this.late ?? Sip.sdp(20002, body.sdp.m[0].payloads.slice(0, 1));
        this.phone(callid, { answered: true }, "answered");
        // RFC 3891 §3: the dialog it takes over ends with its 200.
        if (state.replaces) this.hangup(state.replaces);
        return {};
      case "ack":
        return this.unreliable ? conflict : {};
      case "hangup":
        if (this.confirms) {
          const code = state.answered ? 0 : body.code ?? 487;
          this.hangup(callid, code, body.reason ?? "");
        }
        return {};
      default:
        return {};
    }
  }
}

module.exports = Sip;
