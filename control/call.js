/**
 * One call, as scripts see it: what is known of it, what can be done with it, and callbacks for what happens to it.
 *
 *   getters     info ringing answered hungup hold destination originator haserror other others moh history
 *   callbacks   onnewcall onringing onanswer onhold onoffhold onhangup onreporting ondtmf onplay: stacking, run in the order set
 *   methods     ring early answer busy notfound paymentrequired hangup newcall play mix unmix echo link unlink clearcallbacks …
 *
 * Shape:  methods that ask a server return a promise of `true`, or of `false` if it could not be done; none rejects.
 *         Callbacks get the call as argument and as `this`. All but those of hold, digits and play run once.
 * Units:  milliseconds.
 * Errors: `TypeError` for wrong arguments; else `call.error` = `{code: SIP status, message}`.
 */
"use strict";

const CallMedia = require("./callmedia.js");
const CallState = require("./callstate.js");
const hunt = require("./hunt.js");
const { cdr } = require("./cdr.js");
const originate = require("./originate.js");

const WORDS = new Map([
  ["busy", 486],
  ["notfound", 404],
  ["paymentrequired", 402],
  ["declined", 603],
  ["unavailable", 480],
  ["forbidden", 403],
  ["congestion", 503],
]);

class Call extends CallMedia {
  #answering;
  #owing;
  #ringasked = false;
  #maxduration;
  #unwatch;

  /** Sends 180 Ringing. On a call that rings already, runs the callbacks set since. */
  ring(alertinfo) {
    if (this.hungup) return Promise.resolve(false);
    if (this.ringing || this.answered) {
      this.control.host.defer(() => this.progress.flush(this));
      return Promise.resolve(true);
    }
    if (this.#ringasked && alertinfo === undefined) return Promise.resolve(true);
    this.#ringasked = true;
    this.history = "We ring";
    return new Promise((resolve) => {
      this.dialog.send(this, "ring", alertinfo === undefined ? undefined : { alertinfo }, undefined, (reply) => {
        const rang = this.done(reply, "ring");
        if (rang && !this.hungup) this.progress.rung(this);
        resolve(rang);
      });
    });
  }

  /** Opens media before the answer: 183 with a description. `{codecs?, media?}` as in `answer`. */
  async early(options = {}) {
    if (this.hungup || this.answered || this.#answering) return false;
    try {
      const sdp = await this.session.answer(this, this.theirs, options.codecs, options.near, options.media);
      this.history = "We open early media";
      return this.done(await this.dialog.act(this, "progress", undefined, sdp), "early media");
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  /**
   * Answers the call. A call without a codec in common is ended with 488, one that gets no channel with 503.
   * @param {{codecs?: string[], media?: {ip?: string, jitter?: {min?: number, max?: number}}}} [options] Codec words instead of
   *   `projectcontrol.codecs`; `media` as `projectcontrol.media`, which it overrules.
   * @returns {Promise<boolean>} `true` when the far end has confirmed, `false` if the call ended first.
   */
  async answer(options = {}) {
    if (this.hungup) return false;
    if (this.answered) {
      this.control.host.defer(() => this.progress.flush(this));
      return true;
    }
    this.metadata.family.consoled();
    return (await this.accept(options)) && this.waitforanswer();
  }

  /** As `answer`, but only until the SIP server has taken it. */
  accept(options = {}) {
    if (this.hungup) return Promise.resolve(false);
    if (this.answered) return Promise.resolve(true);
    this.#answering ??= this.#accept(options);
    return this.#answering;
  }

  async #accept(options) {
    this.history = "We answer call";
    try {
      const sdp = await this.session.answer(this, this.theirs, options.codecs, options.near, options.media);
      if (this.hungup) return false;
      const reply = await this.dialog.act(this, "answer", undefined, sdp);
      // 404 and 409: the caller was faster, and the event that says so is on its way.
      if (!this.done(reply, "answer") && ![404, 409, 410].includes(reply.code)) this.hangup({ code: 503 });
      return reply.code < 300;
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  /** A call of ours was answered: their description goes to the channel; if our offer is still owed, it goes out in the ACK. */
  complete() {
    // Whether a description in their 18x was an answered offer is known when the SIP server has said so.
    return this.#owing ? this.#owing.then(() => this.#complete()) : this.#complete();
  }

  #complete() {
    const them = this.theirs;
    if (this.session.ours) return this.session.accept(them);
    return this.session.answer(this, them, this.metadata.codecs).then((sdp) => this.dialog.act(this, "ack", undefined, sdp));
  }

  /** Their offer in a reliable 18x to an INVITE of ours without one: our answer goes in the PRACK (RFC 3262 §5). */
  owed(them) {
    this.#owing = this.#owed(them);
    return this.#owing;
  }

  async #owed(them) {
    const sdp = await this.session.answer(this, them, this.metadata.codecs);
    const reply = await this.dialog.act(this, "ack", undefined, sdp);
    // Not reliable: it was no offer yet, and comes again in the 200.
    if (reply.code >= 300) this.session.forget();
  }

  /** 486 Busy Here. */
  busy() {
    return this.hangup("busy");
  }
  /** 404 Not Found. */
  notfound() {
    return this.hangup("notfound");
  }
  /** 402 Payment Required. */
  paymentrequired() {
    return this.hangup("paymentrequired");
  }

  /**
   * Ends the call, whatever its state.
   * @param {string|number|{reason?: string, code?: number, headers?: object}} [how] A word (`busy`, `notfound`, `paymentrequired`,
   *   `declined`, `unavailable`, `forbidden`, `congestion`), a SIP status, or both.
   * @returns {Promise<boolean>} `true` when it is over.
   */
  hangup(how) {
    this.letgo(how);
    return this.waitforhangup();
  }

  /** As `hangup`, for who does not wait. */
  letgo(how = {}) {
    if (this.hungup) return;
    const wish = typeof how === "string" ? { reason: how } : typeof how === "number" ? { code: how } : { ...how };
    if (wish.code === undefined && WORDS.has(wish.reason)) wish.code = WORDS.get(wish.reason);
    if (!this.dialog.ending) this.history = `We hangup ${wish.reason ?? ""} ${wish.code ?? ""}`.trim();
    this.dialog.hangup(this, wish);
  }

  /**
   * Calls somebody on behalf of this call: their ringing, answer and hang-up are passed on, and the two are mixed.
   * @param {object|string|Array<object|string>} request `{to, from?, maxforwards?, cid?, codecs?, forward?, headers?, autoanswer?, lateoffer?}`,
   *   or just whom to call. An array rings all; the first to answer has it.
   * @returns {Call|Call[]} At once; the call is placed meanwhile.
   * @throws {TypeError} `to` is missing.
   */
  newcall(request) {
    return originate.child(this, request);
  }

  /** Calls one after the other until somebody answers, see hunt.js. @returns {Promise<Call|false>} Who did. */
  hunt(steps, options) {
    return hunt(this, steps, options);
  }

  /**
   * Sends the caller elsewhere with 302, before the answer.
   * @param {string|string[]} contacts Users or SIP URIs, the best first.
   */
  async redirect(contacts) {
    if (this.hungup || this.answered || this.originator) return false;
    const uris = [contacts].flat().map((one) => (/^sips?:/i.test(one) ? one : `sip:${one.includes("@") ? one : `${one}@${this.callinfo.domain}`}`));
    this.history = `Redirect to ${uris.join(", ")}`;
    return this.done(await this.dialog.act(this, "redirect", { contacts: uris }), "redirect");
  }

  /**
   * Asks the far end's phone to call somebody else in place of us (REFER); its hang-up follows when it has.
   * @param {string|Call} to A user, a URI, or a call of ours: then the phone takes that call over (attended, RFC 3891).
   * @returns {Promise<boolean>} Whether it was asked.
   */
  async transfer(to) {
    if (!this.answered || this.hungup) return false;
    const wish = to instanceof CallState ? { to: to.identity.user, replaces: to.callinfo.callid } : { to: String(to) };
    this.history = `Transfer to ${wish.to}`;
    return this.done(await this.dialog.act(this, "refer", wish), "transfer");
  }

  /** Most milliseconds from the answer to the end; 0 is no limit. */
  get maxduration() {
    return this.#maxduration ?? this.control.maxduration;
  }
  set maxduration(ms) {
    if (!Number.isFinite(ms) || ms < 0) throw new TypeError("maxduration must be milliseconds, 0 or more");
    this.#maxduration = ms;
    if (this.answered) this.watchduration();
  }

  /** It was answered, or its limit changed: the clock runs. */
  watchduration() {
    this.#unwatch?.();
    this.#unwatch = this.maxduration > 0 ? this.after(this.maxduration, () => this.hangup({ reason: "maximum duration" })) : undefined;
  }

  /** Times, causes and media of this call, complete once `onreporting` runs; see cdr.js. */
  get cdr() {
    return cdr(this);
  }

  /** Makes another call a child of this one. */
  link(other) {
    if (!(other instanceof CallState) || other === this) return;
    this.history = "Link";
    this.metadata.family.adopt(this, other);
  }
  /** Cuts the ties to parent and children: their ends no longer touch each other. */
  unlink() {
    this.history = "Unlink";
    this.metadata.family.unlink(this);
  }
  /** Forgets all callbacks of this call; what the library does by itself stays. */
  clearcallbacks() {
    this.callbacks.clear();
  }

  #refuse(error) {
    // 487 is the call's own end, seen from inside.
    if (error.code !== 487) this.abandon(error);
  }
}

module.exports = Call;
