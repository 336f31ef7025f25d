/**
 * What is known of one call, and who waits for it: the base of `Call`, below what can be done with it.
 *
 *   snapshot ─► callinfo ─► getters          history ─► the last 256 things that happened
 *   after(ms) ─► timers that end with the call          wake() ─► waitforanswer, waitforhangup
 *
 * Shape:  `callinfo` is the SIP server's last snapshot; `metadata` follows the call and is the script's to add to.
 * Units:  milliseconds.
 * Errors: `call.error` = `{code: SIP status, message}`, set by `fail`.
 */
"use strict";

const Callbacks = require("./callbacks.js");
const Dialog = require("./dialog.js");
const Digits = require("./digits.js");
const Family = require("./family.js");
const Progress = require("./progress.js");
const Session = require("./session.js");
const { Snapshot, theirs } = require("./snapshot.js");

const HISTORY_MAX = 256;
const CALLBACKS = ["onnewcall", "onringing", "onanswer", "onhold", "onoffhold", "onhangup", "onreporting", "ondtmf", "onplay", "onrecord", "onmedia"];

class CallState {
  /** Private names of its own: seven fields and the mark of its methods, all set before those of the classes below it. */
  static HIDDEN = 8;

  /** The last snapshot of the SIP server: a plain object, from when it is first looked at. */
  static #CALLINFO = {
    get() {
      if (this.#known instanceof Snapshot) this.#known = this.#known.whole();
      return this.#known;
    },
    set(callinfo) {
      this.#known = callinfo;
    },
    enumerable: true,
    configurable: true,
  };

  #known;
  #since;
  #patience = 1;
  #digits;
  #moh;
  #waiters;
  #timers;

  /**
   * Made by the library only.
   * @param {object} control The `projectcontrol` object.
   * @param {object} callinfo First snapshot.
   */
  constructor(control, callinfo) {
    this.#known = callinfo;
    Object.defineProperty(this, "callinfo", CallState.#CALLINFO);
    /** It outlives its last child: set by queues and menus, which try something else then. */
    this.stays = false;
    this.#since = control.host.now();
    /** We hold the far end, see `putonhold`. */
    this.held = false;
    /** Whatever has to follow the call; `family`, `channel` and `history` are ours. */
    this.metadata = { family: new Family(), channel: undefined, history: [] };
    // Not enumerable: a call that is printed shows what a script can use.
    hide(this, "control", control);
    hide(this, "callbacks", new Callbacks());
    hide(this, "dialog", new Dialog());
    Object.defineProperty(this, "session", { value: new Session(control, this.metadata), writable: true });
    hide(this, "progress", new Progress());
  }

  /** The last snapshot. */
  get info() {
    return this.callinfo;
  }
  set info(callinfo) {
    this.callinfo = callinfo;
  }
  /** The last snapshot for the library: read as far as need be, until a script looks at it. */
  get known() {
    return this.#known;
  }
  /** Description of the far end. @returns {Description|undefined} */
  get theirs() {
    return theirs(this.#known);
  }
  /** Call-ID, or a word for a call that has none yet. */
  get id() {
    return this.#known.callid ?? "(not placed)";
  }
  /** Digits that were pressed, and who waits for some. */
  get digits() {
    return (this.#digits ??= new Digits(this.control.host, !this.hungup));
  }
  /** Since when nothing was heard of it, and how many times `times.audit` that may go on: `{since, patience}`. */
  get quiet() {
    return { since: this.#since, patience: this.#patience };
  }
  set quiet({ since, patience }) {
    this.#since = since;
    this.#patience = patience;
  }
  /** Something was heard of it. */
  heard() {
    this.#since = this.control.host.now();
    this.#patience = 1;
  }
  /** It rings. */
  get ringing() {
    return this.#known.ring === true;
  }
  /** It was answered. */
  get answered() {
    return this.#known.answered === true;
  }
  /** It is over. */
  get hungup() {
    return this.#known.hangup === true;
  }
  /** The far end has put us on hold. */
  get hold() {
    return this.#known.hold === true;
  }
  /** Its phone sends to that of the other call, and not to us. */
  get direct() {
    return this.session.direct;
  }
  /** We made this call. */
  get originator() {
    return this.#known.originator === true;
  }
  /** What was dialled; after a transfer, where to. */
  get destination() {
    return this.metadata.refer?.to ?? this.metadata.destination ?? this.#known.to;
  }
  /** Who is at the far end: `{user, domain}`. */
  get identity() {
    const { to, from, domain } = this.#known;
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

  /** @returns {Promise<boolean>} `true` once answered, `false` if it ends or `ms` pass first. */
  waitforanswer(ms) {
    return this.#wait(ms, () => (this.answered ? true : this.hungup ? false : undefined));
  }
  /** @returns {Promise<boolean>} `true` once over, `false` if `ms` pass first. */
  waitforhangup(ms) {
    return this.#wait(ms, () => (this.hungup ? true : undefined));
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
      (this.#waiters ??= []).push(waiter);
      if (ms === undefined) return;
      cancel = this.after(ms, () => {
        this.#waiters = this.#waiters?.filter((one) => one !== waiter);
        resolve(false);
      });
    });
  }

  /** Runs `callback` after `ms`, unless the call ends or the function it returns is called first. */
  after(ms, callback) {
    if (this.hungup) return nothing;
    // What stops it knows neither itself nor the callback: no cycle is left of it.
    const timers = (this.#timers ??= new Set());
    const timer = { cancel: undefined };
    timers.add(timer);
    timer.cancel = this.control.host.timer(ms, () => {
      timers.delete(timer);
      callback();
    });
    return () => {
      if (timers.delete(timer)) timer.cancel();
    };
  }

  /** The call is over: what was put off is off, and who waits for digits gets none. */
  cleartimers() {
    this.#digits?.close();
    if (this.#timers) for (const { cancel } of this.#timers) cancel();
    this.#timers?.clear();
  }

  /** The state has changed: wakes who waits for it. */
  wake() {
    if (this.#waiters) this.#waiters = this.#waiters.filter((waiter) => !waiter());
  }

  /** The call is over without a word of the SIP server. @param {{code: number, status: string}} error */
  end(error) {
    if (!this.hungup) this.progress.handle(this, { ...this.callinfo, seq: undefined, event: "hangup", hangup: true, error });
  }

  /** Notes a failure. @param {Error & {code?: number}} error */
  fail(error) {
    if (error.code === undefined) this.control.host.log("error", `call ${this.id}: ${error.stack ?? error}`);
    this.error = { code: error.code ?? 500, message: error.message };
    this.history = `Failed: ${error.message} (${this.error.code})`;
  }

  /**
   * Ends the call for a failure. The far end is told a status; the log tells why, but not of callers who are refused: they may come by the
   * hundred when there is no channel.
   * @param {Error & {code?: number}} error @param {number} [code] SIP status.
   */
  abandon(error, code = error.code ?? 500) {
    this.fail(error);
    if (this.hungup) return;
    const refused = !this.answered && !this.originator;
    if (error.code !== undefined && !refused) this.control.host.log("warn", `call ${this.id}: ${error.message}; hung up with ${code}`);
    this.letgo({ code });
  }

  /** Notes a refusal of a server. @returns {boolean} Whether it was none. */
  done(reply, what) {
    if (reply.code < 300) return true;
    this.history = `${what} refused: ${reply.message} (${reply.code})`;
    return false;
  }
}

function nothing() {}

function hide(call, name, value) {
  Object.defineProperty(call, name, { value });
}

for (const name of CALLBACKS) {
  Object.defineProperty(CallState.prototype, name, {
    /** Adds a callback, to run after those set before. */
    set(callback) {
      this.callbacks.add(name, callback);
    },
    get() {
      return this.callbacks.list(name);
    },
  });
}

module.exports = CallState;
