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
/** Lists kept by `named`; scripts use a handful. */
const LISTS_MAX = 256;

/** An entry with `name`, by which two sides mean the same: encodings are words without case (RFC 4566 §6). */
const entry = (payload, encoding, clock, fmtp) => ({ payload, encoding, clock, fmtp, name: `${encoding.toLowerCase()}/${clock}` });

const TABLE = new Map([
  ["pcmu", entry(0, "PCMU", 8000)],
  ["pcma", entry(8, "PCMA", 8000)],
  ["722", entry(9, "G722", 8000)],
  ["g722", entry(9, "G722", 8000)],
  ["ilbc", entry(97, "iLBC", 8000, "mode=20")],
  ["ilbc@20", entry(97, "iLBC", 8000, "mode=20")],
  ["ilbc@30", entry(97, "iLBC", 8000, "mode=30")],
  ["l16", entry(96, "L16", 8000)],
  ["l16@16", entry(99, "L16", 16000)],
  ["2833", entry(101, DTMF, 8000, "0-16")],
]);

/** What the static payload numbers mean without an rtpmap (RFC 3551 §6). */
const STATIC = new Map(["pcmu", "pcma", "g722"].map((word) => [TABLE.get(word).payload, TABLE.get(word).name]));

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

const lists = new Map();

/**
 * The entries of a list of codec words, each encoding once, by name and in the list's order.
 * @param {Array<string|number>} words
 * @returns {Map<string, object>} Not to be changed.
 * @throws {TypeError} A word is not known.
 */
function named(words) {
  const key = words.join();
  let list = lists.get(key);
  if (!list) {
    list = new Map();
    for (const one of words.map(lookup)) if (!list.has(one.name)) list.set(one.name, one);
    if (lists.size >= LISTS_MAX) lists.clear();
    lists.set(key, list);
  }
  return list;
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

module.exports = { DTMF, STATIC, lookup, named, check };
