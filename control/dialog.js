/**
 * The SIP side of one call: what we ask project-sip to do with it, in order, and its end.
 *
 *   act(ring) ─ act(answer) ─ … one at a time ─► PUT /dialog/{action}
 *   hangup ──► waits for its turn ──► PUT /dialog/hangup ──► event `hangup`, or the watch runs out ──► call.ended
 *
 * Shape:  one request in flight per call, so `ring` cannot overtake `answer`. A hang-up of a call that has no Call-ID yet
 *         waits for it, or keeps the INVITE from being sent.
 * Units:  `times.watch`, and `times.straggler` for a call that the SIP server does not know: its last event may be on its way.
 * Errors: in the reply of `act`. A call that the SIP server does not know any more ends here too, so none is left over.
 */
"use strict";

class Dialog {
  #call;
  #tail = Promise.resolve();
  #hangup;
  #wanted;
  #unwatch;

  /** @param {object} call The call it belongs to. */
  constructor(call) {
    this.#call = call;
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
   * @param {string} action A verb of `PUT /dialog/{action}`.
   * @param {object} [body] Its fields but `callid`.
   * @returns {Promise<{code: number, message: string, json: any}>}
   */
  act(action, body = {}) {
    const turn = this.#tail.then(() => {
      if (this.#call.hungup) return { code: 410, message: "call is over", json: {} };
      const { control, callinfo } = this.#call;
      return control.sippeer.request("PUT", `/dialog/${action}`, { callid: callinfo.callid, ...body }, { server: this.server });
    });
    this.#tail = turn;
    return turn;
  }

  /**
   * Ends the call, once; later wishes are dropped.
   * @param {{reason?: string, code?: number, headers?: object}} how
   */
  hangup(how) {
    if (this.#wanted) return;
    this.#wanted = how;
    // Without a Call-ID the INVITE is not out, or its answer not in: `connected` or `failed` follows.
    if (this.#call.callinfo.callid) this.#send();
  }

  /** The INVITE has got its Call-ID. */
  connected() {
    if (this.#wanted) this.#send();
  }

  #send() {
    this.#hangup ??= this.act("hangup", this.#wanted).then((reply) => this.#sent(reply));
  }

  #sent(reply) {
    const call = this.#call;
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

module.exports = Dialog;
