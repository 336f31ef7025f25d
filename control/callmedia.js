/**
 * What can be done with the media of one call: play, record, digits, mix, echo, hold. Between `CallState` and `Call`.
 *
 *   call.play(soup) ─► its channel ─► project-rtp          putonhold() ─► re-INVITE sendonly, unmixed, music ─► unhold()
 *
 * Shape:  all give a promise of `true`, or of `false` if it could not be done (no channel, call over, refused); none rejects. Calls with
 *         direct media are brought to us first (direct.js).
 * Units:  milliseconds.
 * Errors: refusals are in `call.history`.
 */
"use strict";

const CallState = require("./callstate.js");
const direct = require("./direct.js");
const rescue = require("./rescue.js");

class CallMedia extends CallState {
  #plays;

  /** Plays a sound soup; a call that is mixed hears it alone until it ends. `false` without a channel. */
  async play(soup) {
    return this.#media("play", `Play soup: ${JSON.stringify(soup)}`, (channel) => channel.play(soup));
  }
  /**
   * Plays a sound soup and waits for its end.
   * @param {object} soup
   * @param {number} [ms] At most so long.
   * @returns {Promise<string|false>} Why it ended (`completed`, `interrupted`, `telephone-event` …); `false` if it never began,
   *   the call ended, or `ms` passed.
   */
  async playtoend(soup, ms) {
    const ended = this.waitforplay(ms);
    return (await this.play(soup)) ? ended : false;
  }
  /** @returns {Promise<string|false>} Why the play that ends next did; `false` if the call ends or `ms` pass first. */
  waitforplay(ms) {
    if (this.hungup) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter = { resolve, cancel: undefined };
      (this.#plays ??= []).push(waiter);
      if (ms === undefined) return;
      waiter.cancel = this.after(ms, () => {
        this.#plays = this.#plays?.filter((one) => one !== waiter);
        resolve(false);
      });
    });
  }
  /** A play has ended, or the call has (`false`). */
  played(reason) {
    const waiting = this.#plays;
    if (waiting === undefined) return;
    this.#plays = undefined;
    for (const { resolve, cancel } of waiting) {
      cancel?.();
      resolve(reason);
    }
  }
  /** Stops what plays. `true` also if nothing does. */
  async stop() {
    return this.direct || this.#media("stop", "Stop play", (channel) => channel.stop());
  }
  /** Plays music on hold, if there is any. */
  async music(soup) {
    return soup?.files?.length > 0 ? this.play(soup) : false;
  }
  /** Opens early media and plays a ringing tone or an announcement until the call is answered or mixed. */
  async ringback(soup) {
    return (await this.early()) && this.play(soup);
  }
  /**
   * Records the call into a WAV file of the RTP server.
   * @param {{file: string, format?: string, numchannels?: 1|2, startabovepower?: number, finishbelowpower?: number,
   *   minduration?: number, maxduration?: number, pause?: boolean}} options Durations in milliseconds.
   */
  async record(options) {
    return this.#media("record", `Record to ${options?.file}`, (channel) => channel.record(options));
  }
  /** Ends a recording, that of `file` or all. */
  async stoprecord(file) {
    return this.#media("stop of the record", "Stop record", (channel) => channel.stoprecord(file));
  }
  /** @param {string} digits `0-9 A-D * #`, sent as RFC 4733 events. @param {{duration?: number, gap?: number}} [how] Milliseconds. */
  async dtmf(digits, how) {
    return this.#media("dtmf", `Send digits ${digits}`, (channel) => channel.dtmf(digits, how));
  }
  /** Sends the far end's audio back to it. */
  async echo() {
    return this.#media("echo", "Echo", (channel) => channel.echo());
  }
  /** Which ways audio may go: `{send, recv}`, from our side. */
  async direction(ways) {
    return this.#media("direction", `Direction ${JSON.stringify(ways)}`, (channel) => channel.direction(ways));
  }

  /**
   * Makes this call softer or louder in its mix; what is played to it alone stays as it is.
   * @param {{in?: number, out?: number, group?: number}} levels dB, -60 to 20; 0 leaves the sound as it is. `in`: what its phone says;
   *   `out`: what its phone hears; `group`: all voices of the mix, while it lasts. What is not named stays.
   */
  async gain(levels) {
    return this.#media("gain", `Gain ${JSON.stringify(levels)}`, (channel) => channel.gain(levels));
  }
  /** Mutes the call in its mix: `{in: true}` nobody hears it, `{out: true}` it hears nobody, left out both. Digits are still told. */
  async mute(ways) {
    return this.#media("mute", `Mute ${JSON.stringify(ways ?? "both ways")}`, (channel) => channel.mute(ways));
  }
  /** Ends mute both ways. */
  async unmute() {
    return this.#media("end of mute", "Unmute", (channel) => channel.unmute());
  }
  /** @returns {Promise<Call[]>} Who speaks now in the mix of this call, the loudest first, at most 16; none if it is in no mix that is mixed. */
  async speakers() {
    const { channel } = this.metadata;
    if (!channel || this.hungup) return [];
    const figures = await channel.figures();
    const { channels } = this.control.table;
    return (figures?.group?.speakers ?? []).map((uuid) => channels.get(uuid)).filter(Boolean);
  }

  /**
   * Lets this call and another hear each other; mixed with a third, all three do. Direct media come to us.
   * @param {Call|Function} [with_] The other call, `call.other` if left out; or a callback for when it is done.
   */
  async mix(with_) {
    const other = with_ instanceof CallState ? with_ : this.other;
    if (other && (this.direct || other.direct)) await direct.both(this, other);
    const mine = this.metadata.channel;
    const theirs = other && other.metadata.channel;
    let done = false;
    if (mine && theirs && !this.hungup && !other.hungup) {
      this.history = "Mix";
      let reply = await mine.mix(theirs);
      if (reply.code >= 500 && mine.server !== theirs.server && !this.hungup) reply = await this.#moved(theirs);
      // 409: mixed already.
      done = reply.code === 409 || this.done(reply, "mix");
    }
    if (typeof with_ === "function") this.control.invoke(with_, this, "mix");
    return done;
  }

  /** Takes this call out of its mix, if it is in one: direct media are not. `oncomplete` is called when it is done. */
  async unmix(oncomplete) {
    let done = false;
    if (this.metadata.channel && !this.hungup) {
      this.history = "Unmix";
      const reply = await this.metadata.channel.unmix();
      done = reply.code === 409 || this.done(reply, "unmix");
    }
    if (oncomplete) this.control.invoke(oncomplete, this, "unmix");
    return done;
  }

  /**
   * Puts the far end of this call on hold: out of the mix, music, and its phone is told (`sendonly`, RFC 3264 §8.4).
   * Not named `hold`, for that says whether the far end holds us.
   * @param {object} [soup] Music instead of `call.moh`.
   */
  async putonhold(soup = this.moh) {
    if (!this.answered || this.hungup || this.held) return false;
    if (this.direct && !(await direct.bring(this))) return false;
    this.held = true;
    await this.unmix();
    await this.music(soup);
    return this.#redirect("sendonly");
  }

  /** Undoes `putonhold`, and mixes with the other again. */
  async unhold() {
    if (!this.held || this.hungup) return false;
    this.held = false;
    await this.stop();
    if (!(await this.#redirect("sendrecv"))) return false;
    const { other } = this;
    if (other && other.answered && !other.hold && !this.hold) await this.mix(other);
    return true;
  }

  /** Waits for digits. @returns {Promise<string|undefined>} What matched; `undefined` if `ms` (60 s by default) pass or the call ends. */
  waitfortelevents(pattern = /[0-9A-D*#]/, ms = 60_000) {
    return this.digits.wait(pattern, ms);
  }
  /** Forgets digits that were pressed and not waited for. */
  cleartelevents() {
    this.digits.collected = "";
  }

  /** The servers of two calls could not be linked: this call moves to the other's. */
  async #moved(theirs) {
    try {
      this.history = "Moved to the RTP server of the other";
      await rescue.relocated(this, theirs);
      return await this.metadata.channel.mix(theirs);
    } catch (error) {
      return { code: error.code ?? 500, message: error.message, json: {} };
    }
  }

  async #redirect(direction) {
    const sdp = await this.session.redirected(direction);
    return sdp !== undefined && this.done(await this.dialog.act(this, "invite", undefined, sdp), direction === "sendonly" ? "hold" : "un-hold");
  }

  async #media(verb, what, work) {
    if (this.direct && !(await direct.bring(this))) return false;
    const { channel } = this.metadata;
    if (!channel || this.hungup) return false;
    this.history = what;
    return this.done(await work(channel), verb);
  }
}

module.exports = CallMedia;
