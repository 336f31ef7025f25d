/**
 * The SIP side of one call: what we ask project-sip to do with it, in order, and its end.
 *
 *   act(ring) ─ act(answer) ─ … one at a time ─► PUT /dialog/{action}
 *   hangup ──► waits for its turn ──► PUT /dialog/hangup ──► event `hangup`, or the watch runs out ──► call.ended
 *
 * Shape:  does not know its call, but is told it: a call that nobody holds any more is then free at once, and not when cycles are looked for.
 *         One request in flight per call, so `ring` cannot overtake `answer`. A hang-up of a call that has no Call-ID yet
 *         waits for it, or keeps the INVITE from being sent.
 * Units:  `times.watch`, and `times.straggler` for a call that the SIP server does not know: its last event may be on its way.
 * Errors: in the reply of `act`. A call that the SIP server does not know any more ends here too, so none is left over.
 */
"use strict";

const Lane = require("./lane.js");

const OVER = Object.freeze({ code: 410, message: "call is over", json: Object.freeze({}) });

class Dialog {
  #lane = new Lane();
  #sending = false;
  #wanted;
  /** A Call-ID, and its JSON. */
  #callid;
  #quoted;
  #unwatch;

  constructor() {
    /** The SIP server that has it. */
    this.server = undefined;
  }

  /** @returns {boolean} Whether we have asked for the end. */
  get ending() {
    return this.#wanted !== undefined;
  }

  /** @returns {number} SIP status that we ended the call with, 0 if we gave none. */
  get endcode() {
    return this.#wanted?.code ?? 0;
  }

  /**
   * Asks project-sip for an action after all those asked before.
   * @param {object} call Whose dialog it is.
   * @param {string} action A verb of `PUT /dialog/{action}`.
   * @param {object} [body] Its fields but `callid` and `sdp`.
   * @param {Description} [sdp]
   * @returns {Promise<{code: number, message: string, json: any}>}
   */
  act(call, action, body, sdp) {
    return new Promise((resolve) => this.send(call, action, body, sdp, resolve));
  }

  /** The same without a promise. @param {function(object): void} done Gets the reply. */
  send(call, action, body, sdp, done) {
    if (this.#lane.take()) this.#ask(call, action, body, sdp, done);
    else this.#lane.wait(() => this.#ask(call, action, body, sdp, done));
  }

  #ask(call, action, body, sdp, done) {
    if (call.hungup) {
      this.#lane.next();
      done(OVER);
      return;
    }
    call.control.sippeer.send("PUT", `/dialog/${action}`, told(this.#name(call.known.callid), body, sdp), { server: this.server }, (reply) => {
      this.#lane.next();
      done(reply);
    });
  }

  /** The JSON of the Call-ID. */
  #name(callid) {
    if (callid !== this.#callid) {
      this.#callid = callid;
      this.#quoted = JSON.stringify(callid);
    }
    return this.#quoted;
  }

  /**
   * Ends the call, once; later wishes are dropped.
   * @param {object} call
   * @param {{reason?: string, code?: number, headers?: object}} how
   */
  hangup(call, how) {
    if (this.#wanted) return;
    this.#wanted = how;
    // Without a Call-ID the INVITE is not out, or its answer not in: `connected` or `failed` follows.
    if (call.known.callid) this.#send(call);
  }

  /** The INVITE has got its Call-ID. */
  connected(call) {
    if (this.#wanted) this.#send(call);
  }

  #send(call) {
    if (this.#sending) return;
    this.#sending = true;
    this.send(call, "hangup", this.#wanted, undefined, (reply) => this.#sent(call, reply));
  }

  #sent(call, reply) {
    if (call.hungup) return;
    if (reply.unreachable) {
      call.end({ code: 503, status: reply.message });
      return;
    }
    const { straggler, watch } = call.control.times;
    this.#unwatch = call.after(reply.code === 404 ? straggler : watch, () => call.end({ code: this.endcode, status: "ended without a last event" }));
  }

  /** The call is over: stop watching. */
  close() {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}

/** The JSON of an action. */
function told(quoted, body, sdp) {
  const end = sdp === undefined ? "}" : `,"sdp":${sdp.text}}`;
  let fields = `{"callid":${quoted}`;
  for (const name in body) if (body[name] !== undefined) fields += `,${JSON.stringify(name)}:${JSON.stringify(body[name])}`;
  return fields + end;
}

module.exports = Dialog;
