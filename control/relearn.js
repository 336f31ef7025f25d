/**
 * After a restart of ours: which channel belongs to which call, and which calls talk to each other.
 *
 *   calls taken over (audit.js) + GET /channel of each RTP server ─► same port and address as our SDP ─► channel of the call
 *                                                                ├─► `mix` of two ─► the calls linked again
 *                                                                └─► ours (by its `id`), and of no call ─► closed
 *
 *   two calls that were told each other's place ─► direct media (direct.js), linked again
 *
 * Shape:  runs once, when the calls are known. A channel of ours that belongs to no call is closed, for its call ended
 *         meanwhile; but only if every call is known.
 * Errors: what cannot be told apart stays unlinked; hang-ups work all the same.
 */
"use strict";

const Channel = require("./channel.js");
const direct = require("./direct.js");

/**
 * @param {object} control
 * @param {boolean} complete Every SIP server has told its calls.
 * @returns {Promise<void>}
 */
async function relearn(control, complete) {
  const without = control.table.list().filter((call) => !call.metadata.channel && port(call));
  for (const [one, other] of talking(without)) {
    const [upper, lower] = order(one, other);
    direct.adopt(upper, lower);
    upper.link(lower);
  }
  const calls = without.filter((call) => !call.direct);
  const { rtppool, rtppeer } = control;
  await rtppool.ready();
  const views = [];
  for (const server of rtppool.servers) {
    const reply = await rtppeer.request("GET", "/channel", undefined, { server, probe: true });
    for (const view of reply.json?.channels ?? []) views.push({ server, view });
  }
  const byuuid = new Map();
  for (const call of calls) {
    const found = which(call, views);
    if (!found) continue;
    const { uuid, mix, id } = found.view;
    const channel = new Channel(control, found.server, { uuid, ip: address(call), port: port(call) }, id);
    call.session.adopt(call, channel);
    byuuid.set(uuid, { call, mix });
  }
  for (const { call, mix } of byuuid.values()) {
    const other = byuuid.get([mix].flat()[0])?.call;
    if (!other || call.other || other.other || call === other) continue;
    const [upper, lower] = order(call, other);
    upper.link(lower);
  }
  if (!complete) return;
  const ports = new Set(calls.map(port));
  const left = views.filter(({ view: { uuid, id, port: at, mix } }) => {
    const was = control.formerly(id);
    // A link whose call goes on carries its audio.
    return was && !byuuid.has(uuid) && !ports.has(at) && (was === "call" || !byuuid.has([mix].flat()[0]));
  });
  await Promise.all(left.map(({ server, view }) => rtppeer.request("DELETE", `/channel/${view.uuid}`, undefined, { server })));
}

/** Pairs of answered calls of which each was told where the other wants to hear. */
function talking(calls) {
  const at = new Map(calls.filter((call) => call.answered).map((call) => [place(call.callinfo.sdp.them), call]));
  const pairs = [];
  for (const [here, call] of at) {
    const other = at.get(place(call.callinfo.sdp.us));
    if (here === undefined || !other || other === call || place(other.callinfo.sdp.us) !== here) continue;
    pairs.push([call, other]);
    at.delete(here);
  }
  return pairs;
}

/** Who called before who was called for it. */
function order(one, other) {
  return one.originator && !other.originator ? [other, one] : [one, other];
}

/** The one channel on our port; of several, that of the address in our description. */
function which(call, views) {
  const on = views.filter(({ view }) => view.port === port(call));
  if (on.length < 2) return on[0];
  const there = on.filter(({ server, view }) => view.ip === address(call) || server.host === address(call));
  return there.length === 1 ? there[0] : undefined;
}

function port(call) {
  return call.callinfo.sdp?.us?.m?.[0]?.port;
}

function address(call) {
  return where(call.callinfo.sdp?.us);
}

function where({ m = [], c = [] } = {}) {
  return ([m[0]?.c].flat()[0] ?? [c].flat()[0])?.address;
}

/** Address and port of a description. */
function place(sdp) {
  const port = sdp?.m?.[0]?.port;
  return port > 0 ? `${where(sdp)} ${port}` : undefined;
}

module.exports = relearn;
