/**
 * The record of a call: times, causes, and what its media were like, for `onreporting`.
 *
 *   snapshot + history + statistics of both channels ─► one plain object, fit for JSON.stringify
 *
 * Shape:  `call.cdr`, complete once `onreporting` runs; before that, what is known so far.
 * Units:  times in milliseconds since 1970 (0: never came to it), durations in milliseconds.
 * Errors: none; unknown figures are `null`.
 */
"use strict";

/** @param {object} call @returns {object} See the header; fields in index.d.ts. */
function cdr(call) {
  const { callinfo, metadata } = call;
  const { callid, uuid, domain, from, to, callerid, remote, agent, transport } = callinfo;
  const times = epochs(callinfo);
  const last = times.end || call.control.host.now();
  const code = callinfo.error?.code || call.error?.code || 0;
  const text = callinfo.error?.status || call.error?.message || "";
  return {
    callid, uuid, domain, from, to, callerid, agent, transport, remote,
    direction: call.originator ? "out" : "in",
    destination: call.destination,
    ...times,
    ringms: times.ring ? (times.answer || last) - times.ring : 0,
    talkms: times.answer ? last - times.answer : 0,
    totalms: times.start ? last - times.start : 0,
    answered: call.answered,
    endedby: call.hungup ? (call.dialog.ending ? "us" : "them") : null,
    cause: { code, text },
    codecs: call.session.agreed,
    media: metadata.channel?.stats ?? null,
    legs: metadata.legs ?? [],
    history: [...metadata.history],
  };
}

/** Milliseconds where the SIP server gives them, else its seconds. */
function epochs({ epochsms, epochs: seconds }) {
  const of = (name) => epochsms?.[name] || (seconds?.[name] ?? 0) * 1000;
  return { start: of("start"), ring: of("ring"), answer: of("answer"), end: of("end") };
}

/**
 * The other legs at the end of a call: who they are, and their statistics, final or of this moment.
 * @param {object} call
 * @param {object[]} relatives Calls it was linked to.
 * @param {function(Array<{callid: string, media: object|null}>): void} done
 */
function legs(call, relatives, done) {
  const told = [];
  let open = relatives.length;
  if (open === 0) done(told);
  relatives.forEach((one, at) => {
    leg(call, one, (found) => {
      told[at] = found;
      open -= 1;
      if (open === 0) done(told);
    });
  });
}

/** The channel of a child, which ends with it, goes back now, as nobody is left to hear it: then its statistics are final. */
function leg(call, one, done) {
  const { channel, family } = one.metadata;
  const { callid } = one.known;
  if (channel === undefined) done({ callid, media: null });
  else if (channel.closed || (family.parent === call && one.dialog.ending)) {
    // Most scripts look at no other leg: its statistics are read when they are asked for.
    channel.end(() => done({ callid, get media() { return channel.stats; } }));
  } else channel.figures().then((media) => done({ callid, media }));
}

module.exports = { cdr, legs };
