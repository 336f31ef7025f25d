/**
 * Direct media: the phones of two calls send to each other, and neither call has a channel.
 *
 *   A's offer ──► INVITE to B          B's answer ──► 183, 200 to A
 *   re-INVITE of one ──► the other ──► its answer ──► ok; refused, or without an answer: all stays as it was
 *   a verb that needs a channel (play, record, mix, hold by us …) ──► a channel for each, re-INVITE to both, mixed
 *
 * Shape:  in the place of `Session`, with its methods. Asked for by `newcall({direct: true})`; a caller that hears us already, or that
 *         made no offer, is put through with channels. Once brought to us, the calls stay with us.
 *         A callee that can do none of it (488) is called once more, with a channel.
 * Units:  milliseconds.
 * Errors: phones that share no codec with us (or encrypt) cannot be brought to us: the verb gives `false`, they go on talking.
 * Source: RFC 3264 §8 (what a new offer may change), RFC 3725 §7 (offers passed on within a call).
 */
"use strict";

const Sdp = require("./sdp.js");
const Session = require("./session.js");

/** The SIP server tells how each re-INVITE ended, but an event may be lost. */
const ANSWER_MS = 35_000;
/** While an offer of theirs is under way ours is refused: 409. */
const TRIES = 5;
const AGAIN_MS = 400;
/** RFC 3261 §21.4.26. */
const NOTHING_IN_COMMON = 488;

class Direct {
  #control;
  #metadata;
  #said;
  #heard;
  #asked;
  #anchoring;

  /**
   * @param {object} call Whose media it is.
   * @param {Description} said What its phone is told: the description of the other.
   * @param {Description} [heard] What its phone has said.
   */
  constructor(call, said, heard) {
    this.#control = call.control;
    this.#metadata = call.metadata;
    this.#said = said;
    this.#heard = heard;
  }

  get direct() {
    return true;
  }
  get untouched() {
    return false;
  }
  get ours() {
    return this.#said;
  }
  get local() {
    return this.#said.json;
  }
  /** @returns {string[]} Encodings that both phones have named. */
  get agreed() {
    return this.#heard ? Sdp.common(this.#said.json, this.#heard.json) : [];
  }

  offer() {
    return Promise.resolve(this.#said);
  }
  answer() {
    return Promise.resolve(this.#said);
  }

  /** Whether this description is news, or the answer that somebody waits for. */
  changed(them) {
    return them !== undefined && (this.#asked !== undefined || !them.alike(this.#heard)) && them.present;
  }

  /**
   * Takes their description: the answer to an offer that was passed on.
   * @param {Description} them
   * @param {object} [call] Once it is answered: what nobody asked for, as in the ACK of a re-INVITE without an offer, is news to the other.
   */
  accept(them, call) {
    const news = !them.alike(this.#heard);
    this.#heard = them;
    // Refused, theirs is what it was: then the other's stays too.
    if (this.#asked) this.#asked(news ? them : undefined);
    else if (news && call) {
      const other = partner(call);
      other?.session.ask(other, them);
    }
  }

  /** The other phone has said something else before the answer. */
  tell(them) {
    this.#said = them;
  }

  /** An offer of theirs goes to the other phone. @returns {Promise<Description|undefined>} Its answer; `undefined` is as before. */
  async reoffer(call, them) {
    const other = partner(call);
    if (other === undefined || !them?.present) return undefined;
    this.#heard = them;
    const answer = await other.session.ask(other, them);
    if (answer !== undefined) this.#said = answer;
    return answer;
  }

  /** Passes an offer on to this phone. @returns {Promise<Description|undefined>} Its answer, if it has changed. */
  ask(call, offer) {
    if (this.#asked !== undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = call.after(ANSWER_MS, () => this.#asked?.(undefined));
      this.#asked = (them) => {
        this.#asked = undefined;
        cancel();
        if (them) this.#said = offer;
        resolve(them);
      };
      call.dialog.send(call, "invite", undefined, offer, (reply) => call.done(reply, "re-INVITE") || this.#asked?.(undefined));
    });
  }

  /** A channel of ours for this call, and its phone told. @returns {Promise<boolean>} */
  anchor(call, near) {
    this.#anchoring ??= this.#anchor(call, near).catch((error) => {
      call.history = `Media stay direct: ${error.message} (${error.code ?? 500})`;
      this.#anchoring = undefined;
      return false;
    });
    return this.#anchoring;
  }

  async #anchor(call, near) {
    if (!(await call.waitforanswer())) return false;
    const session = new Session(this.#control, this.#metadata);
    const sdp = await session.succeed(call, this.local, near);
    if (call.hungup) {
      session.close(() => {});
      return false;
    }
    call.session = session;
    call.history = "Media come to us";
    let reply = await call.dialog.act(call, "invite", undefined, sdp);
    for (let tries = 1; reply.code === 409 && tries < TRIES && !call.hungup; tries += 1) {
      await this.#control.sleep(AGAIN_MS);
      reply = await call.dialog.act(call, "invite", undefined, sdp);
    }
    return call.done(reply, "re-INVITE");
  }

  /** The call is over. */
  close(done) {
    this.#asked?.(undefined);
    this.#control.host.defer(done);
  }
}

/** The call whose phone talks to that of this one. */
function partner(call) {
  return call.others.find((one) => one.direct && one.answered && !one.hungup);
}

/** A call made for `parent` has direct media, if that is still possible. */
function begin(parent, call) {
  const { theirs, session } = parent;
  if (session.untouched && !parent.originator && !parent.answered && theirs?.present) call.session = new Direct(call, theirs);
  else call.history = "Media not direct: the caller hears us already, or made no offer";
}

/** A phone that understands none of what the caller offers is called again, through us. @returns {object|undefined} The request to place. */
function again(call, info) {
  if (!call.direct || call.answered || call.dialog.ending || info.error?.code !== NOTHING_IN_COMMON) return undefined;
  call.session = new Session(call.control, call.metadata);
  call.history = "Media not direct: no codec in common";
  return { ...call.request, direct: false };
}

/** `call` has said where it wants to hear: its parent is told, unless it hears us by now. */
function meet(call, parent) {
  const { theirs } = call;
  if (theirs === undefined) return;
  if (parent.direct) parent.session.tell(theirs);
  else if (parent.session.untouched) parent.session = new Direct(parent, theirs, parent.theirs);
}

/** Two calls that have been found talking to each other. */
function adopt(upper, lower) {
  upper.session = new Direct(upper, lower.theirs, upper.theirs);
  lower.session = new Direct(lower, upper.theirs, lower.theirs);
}

/** Brings a call to us, and with it the one it talks to. @returns {Promise<boolean>} Whether it has a channel. */
async function bring(call) {
  const other = partner(call);
  if (other) return call.mix(other);
  return call.session.anchor(call);
}

/** Channels for those of two that have none. @returns {Promise<boolean>} */
async function both(one, other) {
  if (one.direct && !(await one.session.anchor(one, other.metadata.channel))) return false;
  return !other.direct || other.session.anchor(other, one.metadata.channel);
}

module.exports = { adopt, again, begin, both, bring, meet };
