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

const Callbacks = require("./callbacks.js");
const Dialog = require("./dialog.js");
const Digits = require("./digits.js");
const Family = require("./family.js");
const Progress = require("./progress.js");
const Session = require("./session.js");
const originate = require("./originate.js");

const HISTORY_MAX = 256;
const WORDS = new Map([
  ["busy", 486],
  ["notfound", 404],
  ["paymentrequired", 402],
  ["declined", 603],
  ["unavailable", 480],
  ["forbidden", 403],
  ["congestion", 503],
]);

class Call {
  #moh;
  #answering;
  #ringasked = false;
  #waiters = [];
  #timers = new Set();

  /**
   * Made by the library only.
   * @param {object} control The `projectcontrol` object.
   * @param {object} callinfo First snapshot.
   */
  constructor(control, callinfo) {
    /** The last snapshot of the SIP server. */
    this.callinfo = callinfo;
    /** Whatever has to follow the call; `family`, `channel` and `history` are ours. */
    this.metadata = { family: new Family(this), channel: undefined, history: [] };
    // Not enumerable: a call that is printed shows what a script can use.
    const hidden = { control, callbacks: new Callbacks(), dialog: new Dialog(this), digits: new Digits(control.host) };
    for (const [name, value] of Object.entries(hidden)) Object.defineProperty(this, name, { value });
    Object.defineProperty(this, "session", { value: new Session(this) });
    Object.defineProperty(this, "progress", { value: new Progress(this) });
  }

  /** The last snapshot. */
  get info() {
    return this.callinfo;
  }
  set info(callinfo) {
    this.callinfo = callinfo;
  }
  /** Call-ID, or a word for a call that has none yet. */
  get id() {
    return this.callinfo.callid ?? "(not placed)";
  }
  /** It rings. */
  get ringing() {
    return this.callinfo.ring === true;
  }
  /** It was answered. */
  get answered() {
    return this.callinfo.answered === true;
  }
  /** It is over. */
  get hungup() {
    return this.callinfo.hangup === true;
  }
  /** The far end has put us on hold. */
  get hold() {
    return this.callinfo.hold === true;
  }
  /** We made this call. */
  get originator() {
    return this.callinfo.originator === true;
  }
  /** What was dialled; after a transfer, where to. */
  get destination() {
    return this.metadata.refer?.to ?? this.metadata.destination ?? this.callinfo.to;
  }
  /** Who is at the far end: `{user, domain}`. */
  get identity() {
    const { to, from, domain } = this.callinfo;
    return { user: this.originator ? to : from, domain };
  }
  /** `error` is set. */
  get haserror() {
    return "error" in this;
  }
  /** The call this one is linked to, the first if there are several, `false` if none. */
  get other() {
    return this.metadata.family.others[0] ?? false;
  }
  /** All calls this one is linked to. */
  get others() {
    return this.metadata.family.others;
  }
  /** Music on hold: sound soup of this call, or else the default. */
  get moh() {
    return this.#moh ?? this.control.moh;
  }
  set moh(soup) {
    this.#moh = soup;
  }
  /** What has happened: `[{when, what}]`, `when` in milliseconds since 1970, the last 256. Assign a text to add to it. */
  get history() {
    return this.metadata.history;
  }
  set history(what) {
    const { history } = this.metadata;
    if (history.length >= HISTORY_MAX) history.shift();
    history.push({ when: this.control.host.now(), what });
  }

  /** Sends 180 Ringing. On a call that rings already, runs the callbacks set since. */
  async ring(alertinfo) {
    if (this.hungup) return false;
    if (this.ringing || this.answered) {
      this.control.host.defer(() => this.progress.flush());
      return true;
    }
    if (this.#ringasked && alertinfo === undefined) return true;
    this.#ringasked = true;
    this.history = "We ring";
    const rang = this.#done(await this.dialog.act("ring", alertinfo === undefined ? {} : { alertinfo }), "ring");
    if (rang && !this.hungup) this.progress.rung();
    return rang;
  }

  /** Opens media before the answer: 183 with a description. `{codecs?}` as in `answer`. */
  async early(options = {}) {
    if (this.hungup || this.answered || this.#answering) return false;
    try {
      const sdp = await this.session.answer(this.callinfo.sdp?.them, options.codecs, options.near);
      this.history = "We open early media";
      return this.#done(await this.dialog.act("progress", { sdp }), "early media");
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  /**
   * Answers the call. A call without a codec in common is ended with 488, one that gets no channel with 503.
   * @param {{codecs?: string[]}} [options] Codec words instead of `projectcontrol.codecs`.
   * @returns {Promise<boolean>} `true` when the far end has confirmed, `false` if the call ended first.
   */
  async answer(options = {}) {
    if (this.hungup) return false;
    if (this.answered) {
      this.control.host.defer(() => this.progress.flush());
      return true;
    }
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
      const sdp = await this.session.answer(this.callinfo.sdp?.them, options.codecs, options.near);
      if (this.hungup) return false;
      const reply = await this.dialog.act("answer", { sdp });
      // 404 and 409: the caller was faster, and the event that says so is on its way.
      if (!this.#done(reply, "answer") && ![404, 409, 410].includes(reply.code)) this.hangup({ code: 503 });
      return reply.code < 300;
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  /** A call of ours was answered: their description goes to the channel; if our offer is still owed, it goes out in the ACK. */
  async complete() {
    const them = this.callinfo.sdp?.them;
    if (this.session.local) await this.session.accept(them);
    else await this.dialog.act("ack", { sdp: await this.session.answer(them, this.metadata.codecs) });
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
  hangup(how = {}) {
    if (this.hungup) return Promise.resolve(true);
    const wish = typeof how === "string" ? { reason: how } : typeof how === "number" ? { code: how } : { ...how };
    if (wish.code === undefined && WORDS.has(wish.reason)) wish.code = WORDS.get(wish.reason);
    if (!this.dialog.ending) this.history = `We hangup ${wish.reason ?? ""} ${wish.code ?? ""}`.trim();
    this.dialog.hangup(wish);
    return this.waitforhangup();
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

  /** Plays a sound soup; a call that is mixed hears it alone until it ends. `false` without a channel. */
  async play(soup) {
    if (!this.metadata.channel || this.hungup) return false;
    this.history = `Play soup: ${JSON.stringify(soup)}`;
    return this.#done(await this.metadata.channel.play(soup), "play");
  }
  /** Plays music on hold, if there is any. */
  async music(soup) {
    return soup?.files?.length > 0 ? this.play(soup) : false;
  }
  /** Sends the far end's audio back to it. */
  async echo() {
    if (!this.metadata.channel || this.hungup) return false;
    return this.#done(await this.metadata.channel.echo(), "echo");
  }

  /**
   * Lets this call and another hear each other.
   * @param {Call|Function} [with_] The other call, `call.other` if left out; or a callback for when it is done.
   */
  async mix(with_) {
    const other = with_ instanceof Call ? with_ : this.other;
    const [mine, theirs] = [this.metadata.channel, other && other.metadata.channel];
    let done = false;
    if (mine && theirs && !this.hungup && !other.hungup) {
      this.history = "Mix";
      const reply = await mine.mix(theirs);
      // 409: mixed already.
      done = reply.code === 409 || this.#done(reply, "mix");
    }
    if (typeof with_ === "function") this.control.invoke(with_, this, "mix");
    return done;
  }

  /** Takes this call out of its mix. `oncomplete` is called when it is done. */
  async unmix(oncomplete) {
    let done = false;
    if (this.metadata.channel && !this.hungup) {
      this.history = "Unmix";
      const reply = await this.metadata.channel.unmix();
      done = reply.code === 409 || this.#done(reply, "unmix");
    }
    if (oncomplete) this.control.invoke(oncomplete, this, "unmix");
    return done;
  }

  /** Makes another call a child of this one. */
  link(other) {
    if (!(other instanceof Call) || other === this) return;
    this.history = "Link";
    this.metadata.family.adopt(other);
  }
  /** Cuts the ties to parent and children: their ends no longer touch each other. */
  unlink() {
    this.history = "Unlink";
    this.metadata.family.unlink();
  }
  /** Forgets all callbacks of this call; what the library does by itself stays. */
  clearcallbacks() {
    this.callbacks.clear();
  }

  /** @returns {Promise<boolean>} `true` once answered, `false` if it ends or `ms` pass first. */
  waitforanswer(ms) {
    return this.#wait(ms, () => (this.answered ? true : this.hungup ? false : undefined));
  }
  /** @returns {Promise<boolean>} `true` once over, `false` if `ms` pass first. */
  waitforhangup(ms) {
    return this.#wait(ms, () => (this.hungup ? true : undefined));
  }
  /** Waits for digits. @returns {Promise<string|undefined>} What matched; `undefined` if `ms` (60 s by default) pass or the call ends. */
  waitfortelevents(pattern = /[0-9A-D*#]/, ms = 60_000) {
    return this.digits.wait(pattern, ms);
  }

  #wait(ms, state) {
    if (state() !== undefined) return Promise.resolve(state());
    return new Promise((resolve) => {
      let cancel;
      const waiter = () => {
        if (state() === undefined) return false;
        cancel?.();
        resolve(state());
        return true;
      };
      this.#waiters.push(waiter);
      if (ms === undefined) return;
      cancel = this.after(ms, () => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        resolve(false);
      });
    });
  }

  /** Runs `callback` after `ms`, unless the call ends or the function it returns is called first. */
  after(ms, callback) {
    const cancel = this.control.host.timer(ms, () => {
      this.#timers.delete(stop);
      callback();
    });
    const stop = () => {
      this.#timers.delete(stop);
      cancel();
    };
    if (this.hungup) stop();
    else this.#timers.add(stop);
    return stop;
  }

  /** The call is over: what was put off is off. */
  cleartimers() {
    for (const stop of [...this.#timers]) stop();
  }

  /** The state has changed: wakes who waits for it. */
  wake() {
    this.#waiters = this.#waiters.filter((waiter) => !waiter());
  }

  /** The call is over without a word of the SIP server. @param {{code: number, status: string}} error */
  end(error) {
    if (!this.hungup) this.progress.handle({ ...this.callinfo, seq: undefined, event: "hangup", hangup: true, error });
  }

  /** Notes a failure. @param {Error & {code?: number}} error */
  fail(error) {
    if (error.code === undefined) this.control.host.log("error", `call ${this.id}: ${error.stack ?? error}`);
    this.error = { code: error.code ?? 500, message: error.message };
    this.history = `Failed: ${error.message} (${this.error.code})`;
  }

  #refuse(error) {
    // 487 is the call's own end, seen from inside.
    if (error.code === 487) return;
    this.fail(error);
    this.hangup({ code: this.error.code });
  }

  #done(reply, what) {
    if (reply.code < 300) return true;
    this.history = `${what} refused: ${reply.message} (${reply.code})`;
    return false;
  }
}

for (const name of ["onnewcall", "onringing", "onanswer", "onhold", "onoffhold", "onhangup", "onreporting", "ondtmf", "onplay"]) {
  Object.defineProperty(Call.prototype, name, {
    /** Adds a callback; see the header. */
    set(callback) {
      this.callbacks.add(name, callback);
    },
    get() {
      return this.callbacks.list(name);
    },
  });
}

module.exports = Call;
