/**
 * A call that takes the place of another: INVITE with Replaces, as phones send it to pick up or take over a call.
 *
 *   A ─ B, C calls with Replaces of B:   C is answered and talks to A; the SIP server ends B
 *   A rings at B, C the same:            C is answered, then A; the other phones that ring are told
 *   B talks to the script:               C runs through `onnewcall` with what B had dialled, or joins B's conference
 *
 * Shape:  nothing of A and B is touched before C has its media, so a C that cannot be answered costs only itself.
 * Errors: as of an answer: 488 no codec in common, 503 no channel.
 * Source: RFC 3891 §3 (what becomes of the replaced dialog), §4.
 */
"use strict";

/**
 * @param {object} call The new call.
 * @param {object} replaced The one it takes over.
 * @returns {Promise<void>}
 */
async function start(call, replaced) {
  const { control } = call;
  const there = replaced.other;
  call.history = `Takes over ${replaced.id}`;
  if (there === false) {
    const room = [...control.conferences.values()].find(({ members }) => members.includes(replaced));
    if (room) {
      await room.add(call);
      return;
    }
    call.metadata.destination = replaced.destination;
    control.table.arrived(call);
    return;
  }
  try {
    await call.session.answer(call, call.theirs, undefined, there.session.channel);
  } catch (error) {
    if (error.code !== 487) call.abandon(error);
    return;
  }
  if (call.hungup || there.hungup) {
    call.hangup();
    return;
  }
  // From here on the end of the old one touches nobody.
  const ringing = replaced.answered ? [] : there.metadata.family.children.filter((one) => one !== replaced && !one.answered);
  const above = replaced.metadata.family.parent === there;
  const below = above ? replaced : there;
  below.metadata.family.leave(below);
  const [upper, lower] = above || there.answered ? [there, call] : [call, there];
  upper.link(lower);
  if (!(await call.accept())) {
    // The new caller was faster with its CANCEL: all is as before.
    if (!replaced.hungup && !there.hungup) (above ? there : replaced).link(above ? replaced : there);
    return;
  }
  for (const one of ringing) one.hangup();
  // A callee of ours that still rings is mixed by its answer, as any child.
  if (!there.answered && !(!there.originator && (await there.accept({ near: call.session.channel })))) return;
  await there.unmix();
  if (!there.hold && !call.hungup && !there.hungup && !(await there.mix(call))) call.hangup({ code: 500 });
}

module.exports = { start };
