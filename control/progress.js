/**
 * Turns snapshots of one call into what happened: callbacks of the script, and what the library does by itself.
 *
 *   snapshot n ─┐
 *               ├─ compare ─► (3xx: placed again, redirect.js; 488: direct.js) ─► ringing ─► answered ─► digits ─► transfer ─► hold ─► re-INVITE ─► hangup
 *   snapshot m ─┘             (each at most once; a skipped snapshot loses no step, for states only grow)
 *
 * Shape:  does not know its call, but is told it: see dialog.js. `handle` is synchronous, so the callbacks of one call run in the order of its snapshots.
 * Errors: a snapshot with a `seq` not above the last is ignored.
 * Source: RFC 3261 §12 (what a dialog goes through), RFC 3264 §8.4 (hold).
 */
"use strict";

const cdr = require("./cdr.js");
const direct = require("./direct.js");
const originate = require("./originate.js");
const redirect = require("./redirect.js");
const { Snapshot, theirs } = require("./snapshot.js");
const transfer = require("./transfer.js");

/** Events with an offer of theirs that waits for our answer. */
const OFFERS = new Set(["hold", "unhold", "reinvite"]);

class Progress {
  #seq = 0;
  #seen = { ring: false, answered: false, hold: false };
  #over = false;

  /**
   * Takes a snapshot.
   * @param {object} call Whose progress it is.
   * @param {object} info Body of `PUT /dialog/{callid}`.
   * @returns {boolean} `false` if it was stale or came after the end.
   */
  handle(call, info) {
    if (this.#over) return false;
    if (info.seq !== undefined) {
      // What is told again is no news, but tells that the call is alive.
      if (info.seq <= this.#seq) return false;
      this.#seq = info.seq;
    }
    call.heard();
    const elsewhere = info.hangup && (redirect.next(call, info) ?? direct.again(call, info));
    if (elsewhere) {
      call.control.table.remove(call);
      this.#seq = 0;
      originate.again(call, elsewhere);
      return true;
    }
    const seen = this.#seen;
    this.#seen = { ring: seen.ring || info.ring === true, answered: seen.answered || info.answered === true, hold: info.hold === true };
    // A state once reached stays, also if a server forgets to repeat it.
    this.#know(call, info, info.hangup === true);
    if (call.metadata.refer) call.callinfo.refer = call.metadata.refer;

    if (!seen.ring && this.#seen.ring) this.#rang(call);
    if (!seen.answered && this.#seen.answered) this.#answered(call);
    else if (!info.hangup && !this.#seen.answered) this.#early(call, info, seen);
    const digits = info.digits ?? (typeof info.dtmf === "string" ? info.dtmf : undefined);
    if (digits) this.pressed(call, digits);
    if (!info.hangup && seen.answered) {
      if (info.refer) transfer.start(call, info.refer);
      this.#reinvited(call, info, seen);
    }
    if (info.hangup) this.#hungup(call, info);
    call.wake();
    return true;
  }

  /** Takes a call as it is: what happened before we knew of it is not done again. */
  takeover(call, info) {
    this.#seq = info.seq ?? 0;
    this.#seen = { ring: info.ring === true, answered: info.answered === true, hold: info.hold === true };
    this.#know(call, info, false);
    call.wake();
  }

  #know(call, info, hangup) {
    const { ring, answered, hold } = this.#seen;
    const known = info instanceof Snapshot ? info : { ...info };
    known.ring = ring;
    known.answered = answered;
    known.hold = hold;
    known.hangup = hangup;
    call.callinfo = known;
  }

  /** The SIP server has sent 180 for us: no snapshot has to say so. */
  rung(call) {
    if (this.#seen.ring) return;
    this.#seen.ring = true;
    call.known.ring = true;
    this.#rang(call);
    call.wake();
  }

  /** Runs the callbacks that were set after what they wait for. */
  flush(call) {
    if (call.ringing || call.answered) this.#run(call, "onringing", call.callbacks.take("onringing"));
    if (call.answered) this.#run(call, "onanswer", call.callbacks.take("onanswer"));
  }

  /** A digit, from the media or by INFO. */
  pressed(call, digits) {
    call.history = `Digit ${digits}`;
    call.digits.push(digits);
    for (const callback of call.callbacks.list("ondtmf")) call.control.invoke(callback, call, "ondtmf", digits);
  }

  #rang(call) {
    call.history = "Ringing";
    if (call.originator && !call.hungup) call.metadata.family.ringing();
    this.#both(call, "onringing");
  }

  /** Before the answer: early media of theirs, and offers in UPDATE or PRACK, which want a description of ours. */
  #early(call, info, seen) {
    if (OFFERS.has(info.event)) {
      if (call.session.ours) this.#reinvited(call, info, seen);
      return;
    }
    if (!call.originator || info.event !== "progress" || !call.session.changed(theirs(info))) return;
    this.#guarded(call, async () => {
      if (!call.session.ours) await call.owed(theirs(info));
      await call.metadata.family.progress(call, theirs(info));
    });
  }

  #answered(call) {
    call.history = "Answered";
    call.watchduration();
    if (!call.hungup) {
      if (call.originator) call.metadata.family.answered(call);
      else if (call.session.offering) this.#guarded(call, () => call.session.accept(call.theirs));
    }
    this.#both(call, "onanswer");
  }

  /** Hold, off hold, and any other offer of theirs in the middle of the call. */
  #reinvited(call, info, seen) {
    const turned = seen.hold !== this.#seen.hold;
    const moved = call.session.changed(theirs(info));
    if (info.event === "answered") {
      // The answer to a re-INVITE of ours.
      if (moved) this.#guarded(call, () => call.session.accept(theirs(info), call));
    } else if (turned || moved || OFFERS.has(info.event)) {
      this.#guarded(call, async () => {
        const sdp = await call.session.reoffer(call, theirs(info), call.hold);
        await call.dialog.act(call, "ok", undefined, sdp);
      });
    }
    if (!turned) return;
    const name = call.hold ? "onhold" : "onoffhold";
    call.history = call.hold ? "Hold" : "Off hold";
    this.#guarded(call, () => call.metadata.family.rebridge(call));
    this.#run(call, name, [...call.control.callbacks.list(name), ...call.callbacks.list(name)]);
  }

  #hungup(call, info) {
    const { control } = call;
    this.#over = true;
    call.history = `Hung up: ${info.error?.status ?? ""}(${info.error?.code ?? 0})`;
    control.table.remove(call);
    call.dialog.close();
    call.played(false);
    call.wake();
    call.cleartimers();
    this.#both(call, "onhangup");
    const relatives = call.others;
    const reported = control.callbacks.any("onreporting") || call.callbacks.any("onreporting");
    call.metadata.family.ended(call, call.dialog.endcode || info.error?.code || call.error?.code || 0);
    const report = (legs) => {
      call.metadata.relatives = relatives.map((one) => one.id);
      if (reported) call.metadata.legs = legs;
      this.#both(call, "onreporting");
      call.callbacks.clear();
      // Its members know the group, and the group its members.
      call.metadata.group = undefined;
      control.leave();
    };
    control.enter();
    call.session.close(() => cdr.legs(call, reported ? relatives : [], report));
  }

  #both(call, name) {
    const { callbacks } = call.control;
    if (callbacks.any(name)) this.#run(call, name, callbacks.list(name));
    if (call.callbacks.any(name)) this.#run(call, name, call.callbacks.take(name));
  }

  #run(call, name, callbacks) {
    for (const callback of callbacks) call.control.invoke(callback, call, name);
  }

  /** Runs media work; what it fails of ends the call. */
  async #guarded(call, work) {
    try {
      await work();
    } catch (error) {
      if (!call.hungup) call.abandon(error);
    }
  }
}

Progress.OFFERS = OFFERS;

module.exports = Progress;
