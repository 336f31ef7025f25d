/**
 * The codec words of scripts and what each means in SDP.
 *
 *   word        payload  encoding          fmtp      source
 *   pcmu        0        PCMU/8000                   RFC 3551 §4.5.14
 *   pcma        8        PCMA/8000                   RFC 3551 §4.5.14
 *   722 g722    9        G722/8000 (sic)             RFC 3551 §4.5.2: samples at 16 kHz, clock 8000
 *   ilbc        97       iLBC/8000         mode=20   RFC 3952 §5; also ilbc@20, and ilbc@30 for 30 ms frames
 *   l16         96       L16/8000                    RFC 3551 §4.5.11; l16@16 is L16/16000
 *   2833        101      telephone-event   0-16      RFC 4733 §2.4.1 (once RFC 2833)
 *
 * Shape:  payload numbers from 96 up are proposals: in an answer the offerer's number is used (RFC 3264 §6.1).
 * Errors: an unknown word throws `TypeError` and is named.
 */
"use strict";

const DTMF = "telephone-event";

const ilbc20 = { payload: 97, encoding: "iLBC", clock: 8000, fmtp: "mode=20" };
const g722 = { payload: 9, encoding: "G722", clock: 8000 };

const TABLE = new Map([
  ["pcmu", { payload: 0, encoding: "PCMU", clock: 8000 }],
  ["pcma", { payload: 8, encoding: "PCMA", clock: 8000 }],
  ["722", g722],
  ["g722", g722],
  ["ilbc", ilbc20],
  ["ilbc@20", ilbc20],
  ["ilbc@30", { payload: 97, encoding: "iLBC", clock: 8000, fmtp: "mode=30" }],
  ["l16", { payload: 96, encoding: "L16", clock: 8000 }],
  ["l16@16", { payload: 99, encoding: "L16", clock: 16000 }],
  ["2833", { payload: 101, encoding: DTMF, clock: 8000, fmtp: "0-16" }],
]);

/** What the static payload numbers mean without an rtpmap (RFC 3551 §6). */
const STATIC = new Map([
  [0, { encoding: "PCMU", clock: 8000 }],
  [8, { encoding: "PCMA", clock: 8000 }],
  [9, { encoding: "G722", clock: 8000 }],
]);

/**
 * The entry of a codec word.
 * @param {string|number} word Any case; `2833` and `722` may be numbers.
 * @returns {{payload: number, encoding: string, clock: number, fmtp?: string}}
 * @throws {TypeError} The word is not known.
 */
function lookup(word) {
  const entry = TABLE.get(String(word).toLowerCase());
  if (!entry) throw new TypeError(`unknown codec "${word}"; known are ${[...TABLE.keys()].join(", ")}`);
  return entry;
}

/**
 * Checks a list of codec words.
 * @param {Array<string|number>} words
 * @returns {Array<string|number>} The same list.
 * @throws {TypeError} Not an array, empty of audio, or a word is not known.
 */
function check(words) {
  if (!Array.isArray(words)) throw new TypeError("codecs must be an array of codec words");
  if (!words.map(lookup).some((entry) => entry.encoding !== DTMF)) throw new TypeError("codecs names no audio codec");
  return words;
}

module.exports = { DTMF, STATIC, lookup, check };
