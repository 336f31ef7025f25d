/**
 * Turns snapshots of one call into what happened: callbacks of the script, and what the library does by itself.
 *
 *   snapshot n ─┐
 *               ├─ compare ─► (3xx: placed again, redirect.js) ─► ringing ─► answered ─► digits ─► transfer ─► hold ─► re-INVITE ─► hangup
 *   snapshot m ─┘             (each at most once; a skipped snapshot loses no step, for states only grow)
 *
 * Shape:  `handle` is synchronous, so the callbacks of one call run in the order of its snapshots.
 * Errors: a snapshot with a `seq` not above the last is ignored.
 * Source: RFC 3261 §12 (what a dialog goes through), RFC 3264 §8.4 (hold).
 */
"use strict";

const cdr = require("./cdr.js");
const originate = require("./originate.js");
const redirect = require("./redirect.js");
const { Snapshot, theirs } = require("./snapshot.js");
const transfer = require("./transfer.js");

/** Events with an offer of theirs that waits for our answer. */
const OFFERS = new Set(["hold", "unhold", "reinvite"]);

class Progress {
  #call;
  #seq = 0;
  #seen = { ring: false, answered: false, hold: false };
  #over = false;

  /** @param {object} call The call it belongs to. */
  constructor(call) {
    this.#call = call;
  }

  /**
   * Takes a snapshot.
   * @param {object} info Body of `PUT /dialog/{callid}`.
   * @returns {boolean} `false` if it was stale or came after the end.
   */
  handle(info) {
    const call = this.#call;
    if (this.#over) return false;
    if (info.seq !== undefined) {
      // What is told again is no news, but tells that the call is alive.
      if (info.seq <= this.#seq) return false;
      this.#seq = info.seq;
    }
    call.heard();
    const elsewhere = info.hangup && redirect.next(call, info);
    if (elsewhere) {
      call.control.table.remove(call);
      this.#seq = 0;
      originate.again(call, elsewhere);
      return true;
    }
    const seen = this.#seen;
    this.#seen = { ring: seen.ring || info.ring === true, answered: seen.answered || info.answered === true, hold: info.hold === true };
    // A state once reached stays, also if a server forgets to repeat it.
    this.#know(info, info.hangup === true);
    if (call.metadata.refer) call.callinfo.refer = call.metadata.refer;

    if (!seen.ring && this.#seen.ring) this.#rang();
    if (!seen.answered && this.#seen.answered) this.#answered();
    else if (!info.hangup && !this.#seen.answered) this.#early(info, seen);
    const digits = info.digits ?? (typeof info.dtmf === "string" ? info.dtmf : undefined);
    if (digits) this.pressed(digits);
    if (!info.hangup && seen.answered) {
      if (info.refer) transfer.start(call, info.refer);
      this.#reinvited(info, seen);
    }
    if (info.hangup) this.#hungup(info);
    call.wake();
    return true;
  }

  /** Takes a call as it is: what happened before we knew of it is not done again. */
  takeover(info) {
    this.#seq = info.seq ?? 0;
    this.#seen = { ring: info.ring === true, answered: info.answered === true, hold: info.hold === true };
    this.#know(info, false);
    this.#call.wake();
  }

  #know(info, hangup) {
    const { ring, answered, hold } = this.#seen;
    const known = info instanceof Snapshot ? info : { ...info };
    known.ring = ring;
    known.answered = answered;
    known.hold = hold;
    known.hangup = hangup;
    this.#call.callinfo = known;
  }

  /** The SIP server has sent 180 for us: no snapshot has to say so. */
  rung() {
    if (this.#seen.ring) return;
    this.#seen.ring = true;
    this.#call.known.ring = true;
    this.#rang();
    this.#call.wake();
  }

  /** Runs the callbacks that were set after what they wait for. */
  flush() {
    const call = this.#call;
    if (call.ringing || call.answered) this.#run("onringing", call.callbacks.take("onringing"));
    if (call.answered) this.#run("onanswer", call.callbacks.take("onanswer"));
  }

  /** A digit, from the media or by INFO. */
  pressed(digits) {
    const call = this.#call;
    call.history = `Digit ${digits}`;
    call.digits.push(digits);
    for (const callback of call.callbacks.list("ondtmf")) call.control.invoke(callback, call, "ondtmf", digits);
  }

  #rang() {
    const call = this.#call;
    call.history = "Ringing";
    if (call.originator && !call.hungup) call.metadata.family.ringing();
    this.#both("onringing");
  }

  /** Before the answer: early media of theirs, and offers in UPDATE or PRACK, which want a description of ours. */
  #early(info, seen) {
    const call = this.#call;
    if (OFFERS.has(info.event)) {
      if (call.session.ours) this.#reinvited(info, seen);
      return;
    }
    if (!call.originator || info.event !== "progress" || !call.session.changed(theirs(info))) return;
    this.#guarded(async () => {
      if (!call.session.ours) await call.owed(theirs(info));
      await call.metadata.family.progress(theirs(info));
    });
  }

  #answered() {
    const call = this.#call;
    call.history = "Answered";
    call.watchduration();
    if (!call.hungup) {
      if (call.originator) call.metadata.family.answered();
      else if (call.session.offering) this.#guarded(() => call.session.accept(call.theirs));
    }
    this.#both("onanswer");
  }

  /** Hold, off hold, and any other offer of theirs in the middle of the call. */
  #reinvited(info, seen) {
    const call = this.#call;
    const turned = seen.hold !== this.#seen.hold;
    const moved = call.session.changed(theirs(info));
    if (info.event === "answered") {
      // The answer to a re-INVITE of ours.
      if (moved) this.#guarded(() => call.session.accept(theirs(info)));
    } else if (turned || moved || OFFERS.has(info.event)) {
      this.#guarded(async () => {
        const sdp = await call.session.reoffer(theirs(info), call.hold);
        await call.dialog.act("ok", undefined, sdp);
      });
    }
    if (!turned) return;
    const name = call.hold ? "onhold" : "onoffhold";
    call.history = call.hold ? "Hold" : "Off hold";
    this.#guarded(() => call.metadata.family.rebridge());
    this.#run(name, [...call.control.callbacks.list(name), ...call.callbacks.list(name)]);
  }

  #hungup(info) {
    const call = this.#call;
    const { control } = call;
    this.#over = true;
    call.history = `Hung up: ${info.error?.status ?? ""}(${info.error?.code ?? 0})`;
    control.table.remove(call);
    call.dialog.close();
    call.played(false);
    call.wake();
    call.cleartimers();
    this.#both("onhangup");
    const relatives = call.others;
    const reported = control.callbacks.any("onreporting") || call.callbacks.any("onreporting");
    call.metadata.family.ended(call.dialog.endcode || info.error?.code || call.error?.code || 0);
    const report = (legs) => {
      call.metadata.relatives = relatives.map((one) => one.id);
      if (reported) call.metadata.legs = legs;
      this.#both("onreporting");
      call.callbacks.clear();
      control.leave();
    };
    control.enter();
    call.session.close(() => cdr.legs(call, reported ? relatives : [], report));
  }

  #both(name) {
    const call = this.#call;
    const { callbacks } = call.control;
    if (callbacks.any(name)) this.#run(name, callbacks.list(name));
    if (call.callbacks.any(name)) this.#run(name, call.callbacks.take(name));
  }

  #run(name, callbacks) {
    for (const callback of callbacks) this.#call.control.invoke(callback, this.#call, name);
  }

  /** Runs media work; what it fails of ends the call. */
  async #guarded(work) {
    const call = this.#call;
    try {
      await work();
    } catch (error) {
      if (call.hungup) return;
      call.fail(error);
      call.hangup({ code: error.code ?? 500 });
    }
  }
}

Progress.OFFERS = OFFERS;

module.exports = Progress;
