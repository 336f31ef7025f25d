/**
 * The media of one call: its RTP channel and the offer and answer that belong to it.
 *
 *   outbound:  offer() ──► their answer: accept(them)         late: answer(them) goes out in the ACK
 *   inbound:   answer(them) ──► sent in 183 or 200            late: offer() in the 200, their ACK: accept(them)
 *   later:     reoffer(them, held) for each re-INVITE
 *   end:       close(), whatever is under way
 *
 * Shape:  does not know its call, but is told it: see dialog.js. At most one channel, opened when first needed; the description once made is sent again in 183 and 200.
 * Errors: `CallError` 503 no channel, 488 nothing in common, 487 the call ended meanwhile.
 * Source: RFC 3264 (offer and answer), RFC 3261 §13.2.1 (where they go).
 */
"use strict";

const CallError = require("./callerror.js");
const Channel = require("./channel.js");
const Description = require("./description.js");
const Sdp = require("./sdp.js");
const template = require("./template.js");

class Session {
  #control;
  #metadata;
  #local;
  #remote;
  #opening;
  #closed = false;
  #sessionid;
  #codecs;
  #offered = false;
  #target;
  #direction = "sendrecv";

  /** @param {object} control @param {object} metadata Of the call it belongs to. */
  constructor(control, metadata) {
    this.#control = control;
    this.#metadata = metadata;
    this.#sessionid = control.nextsession();
    /** What the far end knows of us is out of date. */
    this.stale = false;
  }

  /** Our last description, `undefined` before the first. */
  get local() {
    return this.#local?.json;
  }
  /** The same as a `Description`. */
  get ours() {
    return this.#local;
  }
  /** Forgets our description: the next far end gets one of its own. */
  forget() {
    this.#local = undefined;
  }

  /** @returns {Channel|undefined} The channel, once it is open. */
  get channel() {
    return this.#metadata.channel;
  }

  /** @returns {boolean} Whether its phone sends to another phone: see direct.js. */
  get direct() {
    return false;
  }
  /** @returns {boolean} Whether nothing was begun yet: no channel, no description. */
  get untouched() {
    return this.#opening === undefined && this.#local === undefined;
  }

  /** @returns {boolean} Whether we have sent an offer that waits for its answer. */
  get offering() {
    return this.#offered && this.#remote === undefined;
  }

  /**
   * The channel, opened at the first call of this.
   * @param {object} call Whose session it is.
   * @param {string[]} [codecs] Codec words; later calls cannot change them.
   * @param {Channel} [near] Channel it will be mixed with.
   * @returns {Promise<Channel>}
   */
  open(call, codecs, near) {
    this.#codecs ??= codecs ?? this.#control.codecs;
    this.#opening ??= this.#open(call, near);
    return this.#opening;
  }

  #open(call, near) {
    if (this.#closed) return Promise.reject(new CallError(487, "call ended before its channel was opened"));
    return new Promise((resolve, reject) => {
      Channel.ask(this.#control, near, { media: this.#media(call) }, (channel) => this.#opened(call, channel, resolve, reject), reject);
    });
  }

  #opened(call, channel, resolve, reject) {
    if (this.#closed) {
      // Nobody else knows of it: give it back here, or it is lost.
      channel.end(() => reject(new CallError(487, "call ended while its channel was opened")));
      return;
    }
    channel.codecs = this.#codecs;
    this.#metadata.channel = channel;
    this.#control.table.channels.set(channel.uuid, call);
    call.history = `Channel ${channel.uuid} on port ${channel.port}`;
    resolve(channel);
  }

  /** @returns {Promise<Description>} Our offer, the same each time. */
  offer(call, codecs, near) {
    return this.open(call, codecs, near).then((channel) => this.offeron(channel));
  }

  /** The same on a channel that is open. @returns {Description} */
  offeron(channel) {
    if (!this.#local) {
      this.#offered = true;
      this.#local = template.offer(this.#our(channel));
    }
    return this.#local;
  }

  /**
   * Our answer to their offer, or our offer if they made none; the same each time. The far end is told to the RTP server.
   * @param {object} call Whose session it is.
   * @param {Description|undefined} them Their description.
   * @returns {Promise<Description>}
   */
  async answer(call, them, codecs, near, media) {
    if (media) this.#metadata.media = media;
    if (!them?.present) return this.offer(call, codecs, near);
    if (this.#local) return this.#local;
    this.#codecs ??= codecs ?? this.#control.codecs;
    // Refuse before a channel is taken.
    const plan = them.simple && template.agreement(them, this.#codecs, this.#prefer);
    const agreed = plan ? plan.agreed : Sdp.agree(them.json, this.#codecs, this.#prefer);
    const channel = await this.open(call, codecs, near);
    if (!this.#local) {
      const our = this.#our(channel);
      this.#local = plan ? template.answer(them, our, plan) : new Description(Sdp.answer(them.json, our, agreed));
      await this.#aim(them, agreed);
    }
    return this.#local;
  }

  /**
   * Applies their answer to our offer.
   * @param {Description|undefined} them Their description; absent or already applied does nothing.
   * @returns {Promise|undefined} To be waited for, if there is something to do.
   * @throws {CallError} As the promise, or at once.
   */
  accept(them) {
    return this.channel && this.changed(them) ? this.#aim(them) : undefined;
  }

  /** @returns {boolean} Whether this description differs from the one applied last. */
  changed(them) {
    return them !== undefined && !them.alike(this.#remote) && them.present;
  }

  /**
   * Our answer to a re-INVITE.
   * @param {object} call Whose session it is.
   * @param {Description|undefined} them Their new offer; absent asks for ours.
   * @param {boolean} held They hold us: the answer is `inactive`.
   * @returns {Promise<Description>}
   */
  async reoffer(call, them, held) {
    const channel = await this.open(call);
    const direction = held ? "inactive" : undefined;
    const sessionversion = this.local?.o.sessionversion ?? 0;
    const our = { ...this.#our(channel), direction, sessionversion };
    const next = them?.present ? Sdp.answer(them.json, our) : Sdp.offer(our);
    // RFC 3264 §8: the version goes up only if something else changed.
    if (!alike(next, this.local)) next.o.sessionversion += this.#local ? 1 : 0;
    this.#local = new Description(next);
    if (them?.present) await this.#aim(them);
    return this.#local;
  }

  /**
   * Our offer to a phone that has talked to another one until now.
   * @param {object} call Whose session it is.
   * @param {object} last What it was told last.
   * @param {Channel} [near] Channel it will be mixed with.
   * @returns {Promise<Description>}
   */
  async succeed(call, last, near) {
    // Refuse before a channel is taken.
    Sdp.agree(last, (this.#codecs ??= this.#metadata.codecs ?? this.#control.codecs));
    const channel = await this.open(call, undefined, near);
    this.#offered = true;
    this.#local = new Description(Sdp.succeeding(last, this.#our(channel)));
    return this.#local;
  }

  /**
   * Our description with another direction, for a re-INVITE of ours; the channel follows it.
   * @param {string} direction `sendrecv`, `sendonly` …
   * @returns {Promise<Description|undefined>} `undefined` before there was any.
   */
  async redirected(direction) {
    if (!this.#local || !this.channel) return undefined;
    this.#local = new Description(Sdp.redirected(this.local, direction));
    if (this.#target) await this.#aim(this.#remote);
    return this.#local;
  }

  /** A channel that was opened before we were restarted, with the descriptions of the last snapshot. */
  adopt(call, channel) {
    const { us, them } = call.callinfo.sdp ?? {};
    this.#codecs ??= this.#control.codecs;
    this.#opening = Promise.resolve(channel);
    this.#metadata.channel = channel;
    this.#control.table.channels.set(channel.uuid, call);
    channel.codecs = this.#codecs;
    if (Sdp.present(us)) this.#local = new Description(us);
    if (Sdp.present(them)) this.#remote = new Description(them);
  }

  /**
   * Another channel in place of one that is lost; aimed at the far end if that is known.
   * @param {object} call Whose session it is.
   * @param {Channel} [near]
   * @returns {Promise<Description|undefined>} Our description from there, for a re-INVITE; `undefined` if none was ever sent.
   */
  async relocate(call, near) {
    const old = this.channel;
    if (old) {
      this.#control.table.channels.delete(old.uuid);
      // A lost one is closed already; of one that is left behind nobody waits for the end.
      old.close();
    }
    this.#metadata.channel = undefined;
    this.#opening = undefined;
    this.#target = undefined;
    this.#direction = "sendrecv";
    const channel = await this.open(call, undefined, near);
    if (old) await channel.level(old.levels);
    if (!this.#local) return undefined;
    this.#local = new Description(Sdp.moved(this.local, channel));
    if (this.#remote) await this.#aim(this.#remote);
    // An offer that is out and not answered yet names the old place: the re-INVITE follows the answer.
    this.stale = !call.answered;
    return this.#local;
  }

  /** @returns {string[]} Encodings agreed with the far end, the one we send first; empty before. */
  get agreed() {
    if (!this.#remote || !this.#codecs) return [];
    return Sdp.agree(this.#remote.json, this.#codecs, this.#prefer).map(({ encoding, clock }) => `${encoding}/${clock}`);
  }

  get #prefer() {
    return this.#control.prefer;
  }

  /**
   * Ends it: the channel goes back, also one that is only now being opened.
   * @param {function(): void} done When the channel has told its final statistics; never before this returns.
   */
  close(done) {
    this.#closed = true;
    const { channel } = this;
    const over = () => {
      if (this.channel) this.#control.table.channels.delete(this.channel.uuid);
      done();
    };
    if (channel && !channel.closed) channel.end(over);
    // If there was none to be had, there is nothing to give back.
    else (this.#opening ?? Promise.resolve()).then((opened) => opened?.close()).then(over, over);
  }

  /** What the channel is to be like: the settings, then what was asked for this call; and of IPv6, if their offer is. */
  #media({ theirs }) {
    const media = { ...this.#control.media, ...this.#metadata.media };
    const address = theirs?.simple ? theirs.simple.address : Sdp.address(theirs?.json);
    if (media.ip === undefined && address?.includes(":")) media.ip = "ipv6";
    return media;
  }

  /** @returns {Promise|undefined} If the RTP server has to be told. @throws {CallError} As the promise, or at once. */
  #aim(them, agreed) {
    // Their answer to an offer of ours is in their order; an offer of theirs we may answer in ours.
    const prefer = this.#offered ? "theirs" : this.#prefer;
    const plan = them.simple && template.agreement(them, this.#codecs, prefer);
    const target = plan ? undefined : Sdp.target(them.json, this.#codecs, prefer, agreed);
    this.#remote = them;
    if (target === null) return undefined;
    // Told only when it matters: a channel starts with both ways open, and silence on hold must not look like a dead line.
    const direction = this.#local?.direction ?? "sendrecv";
    const told = direction === this.#direction ? undefined : (this.#direction = direction);
    if (target && told) target.direction = told;
    const text = plan ? template.target(them.simple, plan, told) : JSON.stringify(target);
    if (text === this.#target) return undefined;
    this.#target = text;
    return new Promise((resolve, reject) => {
      this.channel.aim(plan ? plan.audio : target.audio, text, (reply) => {
        if (reply.code < 400 || this.#closed) resolve();
        else reject(new CallError(reply.code === 422 ? 488 : 500, `RTP server refused the far end: ${reply.message}`));
      });
    });
  }

  #our(channel) {
    return { ip: channel.ip, port: channel.port, codecs: this.#codecs, sessionid: this.#sessionid, prefer: this.#prefer };
  }
}

/** Whether two descriptions say the same. */
function alike(one, other) {
  return other !== undefined && JSON.stringify(one) === JSON.stringify(other);
}

module.exports = Session;
