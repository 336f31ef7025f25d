/**
 * The JSON of answers, offers and targets, from one written out for the same kind of far end: numbers and addresses are put in.
 *
 *   kind of their description + our codecs ─► written once by sdp.js with marks ─► cut at the marks ─► text for each call
 *
 * Shape:  at most 1024 kinds are kept; a kind is what one model of phone says, so there are few.
 * Errors: `CallError` 488 as of sdp.js, each time anew.
 */
"use strict";

const Description = require("./description.js");
const Sdp = require("./sdp.js");

const KINDS_MAX = 1024;
const MARK = { session: 987654321001, port: 987654321002, ip: "987654321003", ip6: "98765432:1003" };
const PARTS = 5;
const MARKS = /987654321001|987654321002|987654321003|98765432:1003/;

const kinds = new Map();

/** What is kept under `key`, made if it is not there. */
function kept(key, make) {
  let made = kinds.get(key);
  if (made === undefined) {
    made = make();
    if (kinds.size >= KINDS_MAX) kinds.clear();
    kinds.set(key, made);
  }
  return made;
}

/** A description of ours cut into parts: id, address of origin, address of connection and port go between them. */
function cut(make, ip) {
  const marked = { ip: ip.includes(":") ? MARK.ip6 : MARK.ip, port: MARK.port, sessionid: MARK.session };
  const parts = JSON.stringify(make(marked)).split(MARKS);
  // A far end that itself says one of the marks gets its own, uncut.
  return parts.length === PARTS ? parts : make;
}

function filled(parts, { sessionid, ip, port }, direction) {
  if (typeof parts === "function") return new Description(parts({ sessionid, ip, port }));
  const [a, b, c, d, e] = parts;
  return new Description(undefined, `${a}${sessionid}${b}${ip}${c}${ip}${d}${port}${e}`, direction);
}

/** Our offer. @param {object} our See `Sdp.offer`, without a direction or version. @returns {Description} */
function offer(our) {
  const { codecs, ip } = our;
  return filled(kept(`offer ${ip.includes(":")} ${codecs.join()}`, () => cut((marked) => Sdp.offer({ codecs, ...marked }), ip)), our, "sendrecv");
}

/**
 * What is agreed with a far end of that kind.
 * @returns {{agreed: Array, audio: object, audiotext: string, direction: string, parts: Array}} `direction` of our answer.
 * @throws {CallError} 488.
 */
function agreement(them, codecs, prefer) {
  return kept(`${prefer} ${codecs.join()} ${them.simple.kind}`, () => {
    const agreed = Sdp.agree(them.json, codecs, prefer);
    const { audio } = Sdp.target(them.json, codecs, prefer, agreed);
    const direction = Sdp.mirrored(them.json);
    return { agreed, audio, direction, audiotext: JSON.stringify(audio), parts: [undefined, undefined] };
  });
}

/** Our answer to a far end of that kind. @returns {Description} */
function answer(them, our, plan) {
  const family = our.ip.includes(":") ? 1 : 0;
  const { codecs, prefer } = our;
  plan.parts[family] ??= cut((marked) => Sdp.answer(them.json, { ...marked, codecs, prefer }, plan.agreed), our.ip);
  return filled(plan.parts[family], our, plan.direction);
}

/** The target of a channel. @param {string} [direction] If it is to be told. */
function target({ address, port }, plan, direction) {
  return `{"ip":"${address}","port":${port},"audio":${plan.audiotext}${direction === undefined ? "" : `,"direction":"${direction}"`}}`;
}

module.exports = { offer, agreement, answer, target };
