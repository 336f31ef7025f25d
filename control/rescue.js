/**
 * Calls whose RTP server is gone: moved to another one by re-INVITE; who they talk to hears music until then.
 *
 *   server lost ─► its channels forgotten ─► new channel elsewhere ─► far end told (re-INVITE) ─► mixed, or played to, as before
 *
 * Shape:  at most 32 calls are moved at once, so that a dead server of thousands does not flood the others.
 * Errors: a call that gets no channel is ended with 503.
 */
"use strict";

const AT_ONCE = 32;

/**
 * @param {object} control The `projectcontrol` object.
 * @param {object} server The server that has lost its channels.
 * @returns {Promise<void>} When all that can be moved are.
 */
async function rescue(control, server) {
  const calls = control.table.everyone().filter((call) => call.metadata.channel?.server === server && !call.hungup);
  if (calls.length === 0) return;
  control.host.log("warn", `${calls.length} calls are moved from rtp server ${server.key}`);
  const was = new Map(calls.map((call) => [call, call.metadata.channel]));
  for (const call of calls) {
    control.table.channels.delete(was.get(call).uuid);
    was.get(call).lost();
  }
  for (const call of calls) if (call.other && !was.has(call.other)) call.other.music(call.other.moh);
  const waiting = companies(control, calls);
  const worker = async () => {
    // One after the other, so that the second can be placed beside the first.
    for (let company = waiting.shift(); company; company = waiting.shift()) for (const call of company) await move(call, company);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await Promise.all(calls.map((call) => resume(call, was.get(call))));
  control.rescued += calls.filter((call) => !call.hungup).length;
}

/** Calls that hear each other, together. */
function companies(control, calls) {
  const left = new Set(calls);
  const rooms = [...control.conferences.values()].map(({ members }) => members);
  const found = [];
  for (const call of calls) {
    const company = [call, ...(rooms.find((members) => members.includes(call)) ?? call.others)].filter((one) => left.delete(one));
    if (company.length > 0) found.push(company);
  }
  return found;
}

async function move(call, company) {
  if (call.hungup) return;
  call.history = "RTP server lost, moved to another";
  try {
    const there = [...company, ...call.others].map((one) => one.metadata.channel);
    await relocated(call, there.find((channel) => channel && !channel.closed));
  } catch (error) {
    if (!call.hungup) call.abandon(error, error.code ?? 503);
  }
}

/** Moves a call to another channel, near this one if it can be; its phone is told if it has been answered. */
async function relocated(call, near) {
  const sdp = await call.session.relocate(call, near);
  if (sdp && call.answered) await call.dialog.act(call, "invite", undefined, sdp);
}

/** What the call was doing: talking, in a room, or listening. */
async function resume(call, before) {
  const { channel } = call.metadata;
  if (!channel || channel.closed || call.hungup || !call.answered || call.held || call.hold) return;
  const room = [...call.control.conferences.values()].find(({ members }) => members.includes(call));
  if (room) {
    await room.tie();
    return;
  }
  const partner = call.other;
  if (partner && partner.answered && !partner.hold && !partner.held) await call.mix(partner);
  else if (before.playing) await call.play(before.soup);
}

rescue.relocated = relocated;

module.exports = rescue;
