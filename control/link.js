/**
 * Two channels of different RTP servers that hear each other: a pair of channels between the servers carries the audio.
 *
 *   a ═ mix ═ x ──── RTP between the servers ──── y ═ mix ═ b
 *
 * Shape:  x is opened near a, y near b; they speak the first codec of a, so that one side at least is only passed on.
 *         `part` gives both back; a channel that ends parts its links by itself.
 * Errors: `join` answers the reply that failed; then nothing is left over.
 */
"use strict";

/** What every server speaks, for a channel whose far end is not known yet. */
const PLAIN = { payloads: [8, 101], rtpmap: { 8: { encoding: "PCMA", clock: 8000 }, 101: { encoding: "telephone-event", clock: 8000 } }, fmtp: { 101: "0-16" } };

class Link {
  #ends;
  #pair = [];
  #parted;

  /** @param {object} a A channel. @param {object} b One of another server. */
  constructor(a, b) {
    this.#ends = [a, b];
  }

  /** @returns {Promise<{code: number, message: string, json: any}>} Reply of the last request. */
  async join() {
    const [a, b] = this.#ends;
    a.linked(b, this);
    b.linked(a, this);
    const opened = await Promise.allSettled(this.#ends.map((end) => end.constructor.open(end.owner, end, { quiet: true, only: true })));
    this.#pair = opened.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    const failed = opened.find(({ status }) => status === "rejected");
    if (failed) return this.#failed({ code: 503, message: failed.reason.message, json: {} });
    const [x, y] = this.#pair;
    const audio = a.audio ?? b.audio ?? PLAIN;
    const told = await Promise.all([x.target(audio, far(y, audio)), y.target(audio, far(x, audio))]);
    const mixed = await Promise.all([a.mixhere(x), b.mixhere(y)]);
    const refused = [...told, ...mixed].find(({ code }) => code >= 300 && code !== 409);
    return refused ? this.#failed(refused) : mixed[0];
  }

  async #failed(reply) {
    await this.part();
    return reply;
  }

  /** Ends it, once. */
  part() {
    this.#parted ??= this.#part();
    return this.#parted;
  }

  async #part() {
    const [a, b] = this.#ends;
    a.linked(b, undefined);
    b.linked(a, undefined);
    await Promise.all(this.#pair.map((channel) => channel.close()));
  }
}

function far({ ip, port }, audio) {
  return JSON.stringify({ ip, port, audio });
}

module.exports = Link;
