/**
 * Session descriptions as JSON: offers, answers, and what a description says of the far end.
 *
 *   words ──► offer ──► their answer ──► agreed payloads ──► target of the RTP channel
 *   their offer + words ──► agreed payloads ──► answer
 *
 * Shape:  the JSON form of the API (`v o s c t m[]`); one audio line of ours. Payloads are agreed in the far end's order,
 *         or in ours if the script prefers that (RFC 3264 §6.1 allows both).
 * Units:  clock in Hz, ptime in milliseconds.
 * Errors: `CallError` 488 when there is nothing in common (RFC 3264 §6).
 * Source: RFC 4566 (form), RFC 3264 (offer and answer).
 */
"use strict";

const CallError = require("./callerror.js");
const { DTMF, STATIC, named } = require("./codecs.js");

/** What we may answer to each direction offered (RFC 3264 §6.1). */
const MIRROR = { sendrecv: "sendrecv", sendonly: "recvonly", recvonly: "sendonly", inactive: "inactive" };
const PLAIN_RTP = /^RTP\/AVPF?$/i;
const DYNAMIC_FIRST = 96;
const DYNAMIC_LAST = 127;

class Sdp {
  /**
   * An offer of ours.
   * @param {{ip: string, port: number, codecs: string[], sessionid: number, sessionversion?: number, direction?: string}} our
   * @returns {object} SDP as JSON.
   */
  static offer(our) {
    const taken = new Set();
    const codecs = [];
    for (const { payload, encoding, clock, fmtp } of named(our.codecs).values()) codecs.push({ payload: free(payload, taken), encoding, clock, fmtp });
    return Sdp.#session(our, [Sdp.#audio(our, codecs)]);
  }

  /**
   * Our answer to their offer: as many media lines as theirs, all but the first usable audio refused (RFC 3264 §6).
   * @param {object} them Their offer.
   * @param {{ip: string, port: number, codecs: string[], sessionid: number, sessionversion?: number, direction?: string}} our
   *   `direction` overrules the mirror of theirs, for hold.
   * @returns {object} SDP as JSON.
   * @throws {CallError} 488, nothing in common.
   */
  static answer(them, our, agreed = Sdp.agree(them, our.codecs, our.prefer)) {
    const media = Sdp.audio(them);
    const direction = our.direction ?? Sdp.mirrored(them);
    const lines = them.m.map((line) =>
      line === media
        ? { ...Sdp.#audio({ ...our, direction }, agreed), proto: line.proto ?? "RTP/AVP" }
        : { media: line.media, port: 0, proto: line.proto, payloads: line.payloads ?? [] },
    );
    return Sdp.#session(our, lines);
  }

  /**
   * Payloads that both sides can, in their order, with their numbers.
   * @param {object} them Their description.
   * @param {string[]} codecs Our codec words.
   * @param {"theirs"|"ours"} [prefer] Whose order.
   * @returns {Array<{payload: number, encoding: string, clock: number, fmtp?: string}>}
   * @throws {CallError} 488, no audio codec in common.
   */
  static agree(them, codecs, prefer = "theirs") {
    const media = Sdp.audio(them);
    const ours = named(codecs);
    const agreed = new Map();
    let audio = false;
    for (const payload of media?.payloads ?? []) {
      const match = ours.get(meaning(media, payload));
      if (!match || agreed.has(match)) continue;
      const { encoding, clock } = match;
      audio ||= encoding !== DTMF;
      agreed.set(match, { payload: Number(payload), encoding, clock, fmtp: parameters(match, media.fmtp?.[payload]) });
    }
    if (!audio) throw new CallError(488, "no codec in common");
    if (prefer !== "ours") return [...agreed.values()];
    return [...ours.values()].filter((entry) => agreed.has(entry)).map((entry) => agreed.get(entry));
  }

  /**
   * What the RTP server must know to send to them.
   * @param {object} them Their description.
   * @param {string[]} codecs Our codec words.
   * @returns {{ip: string, port: number, audio: object}|null} `null` if they gave no place to send to (held by 0.0.0.0).
   * @throws {CallError} 488, no audio codec in common.
   */
  static target(them, codecs, prefer, agreed = Sdp.agree(them, codecs, prefer)) {
    const address = Sdp.address(them);
    const media = Sdp.audio(them);
    // RFC 3264 §8.4: the old way of hold; RFC 6157 §5.1 for its IPv6 form.
    if (!address || address === "0.0.0.0" || address === "::") return null;
    const audio = { payloads: agreed.map((entry) => entry.payload), ...maps(agreed) };
    if (media.ptime) audio.ptime = Number(media.ptime);
    return { ip: address, port: Number(media.port), audio };
  }

  /**
   * The first audio line that can be used: not refused (port 0), plain RTP.
   * @param {object|undefined} sdp
   * @returns {object|undefined}
   */
  static audio(sdp) {
    const lines = Array.isArray(sdp?.m) ? sdp.m : [];
    return lines.find(({ media, port, proto = "RTP/AVP" }) => media === "audio" && Number(port) > 0 && (proto === "RTP/AVP" || PLAIN_RTP.test(proto)));
  }

  /** @returns {string|undefined} Where their audio is to go: the address of the audio line, else of the session. */
  static address(sdp) {
    return (first(Sdp.audio(sdp)?.c) ?? first(sdp?.c) ?? sdp?.o)?.address;
  }

  /** @returns {string} Direction of the audio line: its own, else the session's, else `sendrecv` (RFC 4566 §6). */
  static direction(sdp) {
    return Sdp.audio(sdp)?.direction ?? sdp?.a?.direction ?? sdp?.direction ?? "sendrecv";
  }

  /** @returns {string} The direction of our answer to theirs. */
  static mirrored(them) {
    return MIRROR[Sdp.direction(them)] ?? "sendrecv";
  }

  /** @returns {boolean} Whether there is a media line at all: an absent or empty description is no offer. */
  static present(sdp) {
    return Array.isArray(sdp?.m) && sdp.m.length > 0;
  }

  /**
   * The same description with another direction and the next version (RFC 3264 §8).
   * @param {object} sdp Ours.
   * @param {string} direction
   * @returns {object} A copy.
   */
  static redirected(sdp, direction) {
    const m = sdp.m.map((line) => (Number(line.port) > 0 ? { ...line, direction } : line));
    return { ...sdp, o: { ...sdp.o, sessionversion: sdp.o.sessionversion + 1 }, m };
  }

  /**
   * The same description with another address and port, and the next version.
   * @param {object} sdp Ours.
   * @param {{ip: string, port: number}} place
   * @returns {object} A copy.
   */
  static moved(sdp, { ip, port }) {
    const place = { nettype: "IN", ipver: ip.includes(":") ? 6 : 4, address: ip };
    const m = sdp.m.map((line) => (Number(line.port) > 0 ? { ...line, port } : line));
    return { ...sdp, o: { ...sdp.o, ...place, sessionversion: sdp.o.sessionversion + 1 }, c: [place], m };
  }

  /**
   * Our offer after the description of somebody else in the same session: its `o=` and version go on, lines and payload numbers mean
   * what they meant (RFC 3264 §8, §8.3.2).
   * @param {object} last What the far end was told last.
   * @param {object} our As in `offer`.
   * @returns {object} SDP as JSON.
   * @throws {CallError} 488, no audio codec in common.
   */
  static succeeding(last, our) {
    const { o } = last;
    const next = Number(o.sessionversion) + 1;
    // A version that no number holds stays: most phones look at the rest.
    const sessionversion = Number.isSafeInteger(next) ? next : o.sessionversion;
    return { ...Sdp.answer(last, { ...our, direction: "sendrecv" }), o: { ...o, sessionversion } };
  }

  /** @returns {string[]} Encodings of the audio lines of two descriptions that both name, in the order of the first. */
  static common(one, other) {
    const named = (sdp) => {
      const media = Sdp.audio(sdp);
      return (media?.payloads ?? []).map((payload) => {
        const map = media.rtpmap?.[payload];
        return map ? `${map.encoding}/${map.clock}` : STATIC.get(Number(payload))?.toUpperCase();
      });
    };
    const theirs = new Set(named(other).map((name) => name?.toLowerCase()));
    return named(one).filter((name) => name !== undefined && theirs.has(name.toLowerCase()));
  }

  static #session(our, m) {
    const place = { nettype: "IN", ipver: our.ip.includes(":") ? 6 : 4, address: our.ip };
    const o = { username: "-", sessionid: our.sessionid, sessionversion: our.sessionversion ?? 0, ...place };
    return { v: 0, o, s: " ", c: [place], t: { start: 0, stop: 0 }, m };
  }

  static #audio(our, codecs) {
    const line = { media: "audio", port: our.port, proto: "RTP/AVP", payloads: codecs.map((entry) => entry.payload) };
    const mode = codecs.find((entry) => entry.encoding !== DTMF);
    // RFC 3952 §5: frames of 30 ms need a packet time that holds a whole number of them.
    const ptime = mode?.fmtp === "mode=30" ? 30 : 20;
    return { ...line, direction: our.direction ?? "sendrecv", ptime, ...maps(codecs) };
  }
}

/** Name of the encoding that a payload number of a line stands for. */
function meaning(media, payload) {
  const map = media.rtpmap?.[payload];
  return map ? `${String(map.encoding).toLowerCase()}/${Number(map.clock)}` : STATIC.get(Number(payload));
}

/** Parameters of an agreed payload. iLBC: 30 ms wins if either side asks for it, and is the default (RFC 3952 §5). */
function parameters(ours, theirs) {
  if (ours.encoding !== "iLBC") return ours.fmtp;
  return theirs?.replace(/\s/g, "") === "mode=20" && ours.fmtp === "mode=20" ? "mode=20" : "mode=30";
}

function maps(codecs) {
  const rtpmap = {};
  let fmtp;
  for (const entry of codecs) {
    rtpmap[entry.payload] = { encoding: entry.encoding, clock: entry.clock };
    if (entry.fmtp) (fmtp ??= {})[entry.payload] = entry.fmtp;
  }
  return fmtp ? { rtpmap, fmtp } : { rtpmap };
}

/** The wanted payload number, or the next dynamic one that nobody has. */
function free(wanted, taken) {
  let payload = wanted;
  if (taken.has(payload)) for (payload = DYNAMIC_FIRST; payload < DYNAMIC_LAST && taken.has(payload); payload += 1);
  taken.add(payload);
  return payload;
}

function first(list) {
  return Array.isArray(list) ? list[0] : list;
}

module.exports = Sdp;
