/**
 * A room: calls that all hear each other.
 *
 *   projectcontrol.conference("sales").add(call) ─► answered if it was not ─► mixed with who is there ─► out again with its hang-up
 *
 * Shape:  at most `max` members (64 unless set). A member alone hears `moh`, if there is any. Empty rooms are forgotten.
 * Errors: `add` gives `false`: full, the call ended, or no media.
 */
"use strict";

/** One core mixes more, but a room of people that talk does not hold more. */
const MEMBERS_MAX = 64;

class Conference {
  #control;
  #members = new Set();
  #turn = Promise.resolve();
  #gain = 0;

  /** @param {object} control The `projectcontrol` object. @param {string} name */
  constructor(control, name) {
    this.#control = control;
    /** Its name. */
    this.name = name;
    /** Most members. */
    this.max = MEMBERS_MAX;
    /** What one alone hears: sound soup. */
    this.moh = control.moh;
    /** Called with (call, conference) when one has come, and when one has gone. */
    this.onjoin = undefined;
    this.onleave = undefined;
  }

  /** @returns {object[]} The calls in the room, in the order they came. */
  get members() {
    return [...this.#members];
  }

  /** Brings a call into the room, one after the other. @returns {Promise<boolean>} */
  add(call) {
    if (this.#members.has(call)) return Promise.resolve(true);
    const added = this.#turn.then(() => this.#add(call));
    this.#turn = added.catch(() => false);
    return this.#turn;
  }

  async #add(call) {
    if (this.#members.size >= this.max) return false;
    if (!call.answered && !(await call.answer())) return false;
    if (call.hungup) return false;
    const [there] = this.#members;
    if (there && !(await call.mix(there))) return false;
    if (call.hungup) return false;
    this.#members.add(call);
    call.history = `Joined conference ${this.name}`;
    call.onhangup = () => this.#gone(call);
    if (!there) await call.music(this.moh);
    // A mix begins without it.
    else if (this.#gain !== 0) await call.gain({ group: this.#gain });
    this.#tell(this.onjoin, call, "onjoin");
    return true;
  }

  /** Takes a call out; it goes on, alone. @returns {Promise<boolean>} */
  async remove(call) {
    if (!this.#members.has(call)) return false;
    const out = await call.unmix();
    this.#gone(call);
    return out;
  }

  /**
   * Makes all voices of the room softer or louder, also for those who come later.
   * @param {number} db -60 to 20; 0 leaves them as they are.
   * @returns {Promise<boolean>} `false` if there is no mix yet, or it was refused.
   */
  async gain(db) {
    this.#gain = db;
    const told = await Promise.all(this.#places().map((one) => one.gain({ group: db })));
    return told.length > 0 && told.every(Boolean);
  }

  /** @returns {Promise<object[]>} The members who speak now, the loudest first; with several RTP servers, those of one after those of another. */
  async speakers() {
    const lists = await Promise.all(this.#places().map((one) => one.speakers()));
    return lists.flat().filter((one) => this.#members.has(one));
  }

  /** One member of each RTP server that mixes here. */
  #places() {
    if (this.#members.size < 2) return [];
    return [...new Map(this.members.map((one) => [one.metadata.channel?.server, one])).values()];
  }

  /** Mixes all with the first again, after a link or a channel was lost. */
  async tie() {
    const [first, ...rest] = this.members.filter(({ hungup, metadata }) => !hungup && metadata.channel && !metadata.channel.closed);
    for (const one of rest) await one.mix(first);
    if (this.#gain !== 0) await this.gain(this.#gain);
  }

  #gone(call) {
    if (!this.#members.delete(call)) return;
    call.history = `Left conference ${this.name}`;
    this.#tell(this.onleave, call, "onleave");
    if (this.#members.size === 0) this.#control.conferences.delete(this.name);
    // Links of several servers go through somebody's channel: with that one they are gone.
    if (new Set([call, ...this.#members].map((one) => one.metadata.channel?.server)).size > 1) this.#control.track(this.tie());
    const [alone] = this.#members;
    if (this.#members.size === 1 && !alone.hungup) alone.music(this.moh);
  }

  #tell(callback, call, name) {
    if (callback) this.#control.invoke(callback, call, `${name} of conference ${this.name}`, this);
  }
}

module.exports = Conference;
