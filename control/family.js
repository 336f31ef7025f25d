/**
 * Who belongs to whom: a call has at most one parent and any number of children, and what happens to one moves the others.
 *
 *   child rings    ──► parent rings
 *   child answered ──► child's far end to its channel ──► parent answered ──► the two mixed
 *   child ended    ──► last child? one turn later the parent ends too, with the reason of the failure,
 *                      unless the script has called somebody else by then, or begun to answer it
 *   parent ended   ──► all children end
 *
 * Shape:  documented fields `parent` (absent if none) and `children`. Does not know its call, but is told it: see dialog.js.
 * Errors: media that cannot be had ends the child with its SIP status; then the rule above applies.
 */
"use strict";

const direct = require("./direct.js");

/** Statuses that describe our own doings, not the callee: the caller hears 480 instead. */
const OWN_AFFAIR = new Set([401, 407, 487]);
/** Of a call that rang in vain: 480. */
const NOANSWER = 480;
const ELSEWHERE = { reason: "answered elsewhere", headers: { Reason: 'SIP;cause=200;text="Call completed elsewhere"' } };

class Family {
  #failures = [];
  /** A child has ended, and the script has not gone on without it. */
  #bereft = false;

  constructor() {
    /** Calls made on behalf of this one. */
    this.children = [];
  }

  /** @returns {object[]} The parent, or else the children. */
  get others() {
    return this.parent ? [this.parent] : this.children.slice();
  }

  /** Makes `child` one of `call`; it leaves the parent it had. */
  adopt(call, child) {
    child.metadata.family.leave(child);
    child.metadata.family.parent = call;
    this.children.push(child);
  }

  /** Leaves the parent. */
  leave(call) {
    const siblings = this.parent?.metadata.family;
    if (siblings) siblings.children = siblings.children.filter((one) => one !== call);
    delete this.parent;
  }

  /** Cuts all ties, up and down. */
  unlink(call) {
    this.leave(call);
    for (const child of this.children) delete child.metadata.family.parent;
    this.children = [];
  }

  /** This call rings at the far end. */
  ringing() {
    const { parent } = this;
    if (parent && !parent.ringing && !parent.answered) parent.ring();
  }

  /** The far end sends early media: passed on if we are the only one who could. */
  async progress(call, them) {
    const { parent } = this;
    if (!parent || parent.answered || parent.hungup || parent.metadata.family.children.length > 1) return;
    try {
      await call.session.accept(them);
      if (call.direct) direct.meet(call, parent);
      if ((await parent.early({ near: call.session.channel })) && !(call.direct && parent.direct)) await call.mix(parent);
    } catch (error) {
      call.abandon(error);
    }
  }

  /** This call, one that we made, was answered. */
  async answered(call) {
    // Our CANCEL and their 200 have crossed: the hang-up is on its way.
    if (call.dialog.ending) return;
    const group = call.metadata.group;
    if (group && !group.won(call)) {
      call.hangup(ELSEWHERE);
      return;
    }
    if (group) for (const loser of group.losers) loser.hangup(ELSEWHERE);
    try {
      await call.complete();
      if (call.session.stale) await call.dialog.act(call, "invite", undefined, call.session.ours);
      const { parent } = this;
      if (!parent || call.hungup) return;
      if (call.direct) direct.meet(call, parent);
      if (parent.hungup) call.letgo();
      else if (!(await parent.accept({ near: call.session.channel }))) call.letgo();
      else if (this.#joins(call, parent) && !(await call.mix(parent)) && !call.hungup && !parent.hungup) {
        call.control.host.log("error", `call ${call.id}: could not be mixed with ${parent.id}, hung up`);
        call.letgo({ code: 500 });
      }
    } catch (error) {
      call.abandon(error);
    }
  }

  /** Whether the two are to hear each other now. */
  #joins(call, parent) {
    return !call.hungup && !parent.hungup && this.parent === parent && !call.hold && !parent.hold && !(call.direct && parent.direct);
  }

  /** This call has rung in vain: it ends, and counts as failed at once, for its end on the wire may take long. */
  dismiss(call) {
    if (!call.hungup) {
      this.#lost(call, NOANSWER);
      call.hangup();
    }
  }

  /** The script goes on with the call, whatever became of those it called. */
  consoled() {
    this.#bereft = false;
    this.#failures = [];
  }

  /** This call is over. Children end now; the parent one turn later, so that a script may first try something else. */
  ended(call, code) {
    for (const child of this.children) child.letgo();
    if (this.parent) this.#lost(call, call.answered ? undefined : code);
  }

  #lost(call, code) {
    const { parent } = this;
    if (!parent) return;
    const above = parent.metadata.family;
    if (code !== undefined) above.#failures.push(code);
    above.#bereft = true;
    this.leave(call);
    parent.control.host.defer(() => above.#bereaved(parent));
  }

  #bereaved(call) {
    if (this.children.length > 0 || call.hungup || call.dialog.ending || call.stays || !this.#bereft) return;
    this.#bereft = false;
    const code = worst(this.#failures);
    this.#failures = [];
    call.letgo(call.answered || code === 0 ? {} : { code });
  }

  /** Brings media in line after one of two has been put on hold or taken off it. */
  async rebridge(call) {
    const other = call.other;
    // The other phone has been told by the phone itself.
    if (call.direct) return;
    if (call.hold) await call.unmix();
    // One that only rings has a channel too, but nothing to say yet.
    if (other === false || !other.answered) return;
    if (!call.hold && !other.hold) await call.mix(other);
    else if (call.hold && !other.hold) await other.music(call.moh);
    else if (!call.hold && other.hold) await call.music(other.moh);
    else await Promise.all([call.session.channel?.stop(), other.session.channel?.stop()]);
  }
}

/**
 * What the caller is told when all children failed: busy before declined before the lowest status, as it says most to a person.
 * @param {number[]} codes SIP statuses, 0 if unknown.
 */
function worst(codes) {
  const known = codes.filter((code) => code > 0);
  if (known.length === 0) return 0;
  for (const loud of [486, 600, 603]) if (known.includes(loud)) return loud;
  const telling = known.filter((code) => code >= 400 && !OWN_AFFAIR.has(code));
  return telling.length > 0 ? Math.min(...telling) : 480;
}

module.exports = Family;
