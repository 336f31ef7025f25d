/**
 * Placing calls: what a script asks for becomes the body of `POST /dialog/invite`.
 *
 *   request ─► channel ─► offer ─► INVITE by the SIP server ─► Call-ID ─► the call's own `onnewcall`
 *                                  └─ refused ─► `call.error`, `onnewcall`, `onhangup`, and the parent is told
 *
 * Shape:  `to` and `from` may be `{user, domain, authsecret, authuser}`, `"1003"` or `"1003@domain"`.
 *         With `forward` the first gateway gives domain, identity, secret and codecs. `lateoffer` sends an INVITE without SDP.
 * Errors: `TypeError` at once if nobody is called; 483 if the call has been passed on too often; the rest as `call.error`.
 */
"use strict";

const CallError = require("./callerror.js");
const RingGroup = require("./ringgroup.js");
const codecs = require("./codecs.js");
const direct = require("./direct.js");

/** HTTP answers to an originate that are SIP statuses, and mean the same to the caller. The rest is our trouble: 500. */
const ROUTING = new Set([403, 404, 408, 480, 483, 484, 486, 503]);
/** RFC 3261 §8.1.1.6. */
const MAXFORWARDS = 70;

/** A call that belongs to nobody. @returns {object} The call, at once. */
function single(control, request) {
  return place(control, plan(control, normal(request)), undefined);
}

/** A call, or several that ring together, on behalf of `parent`. */
function child(parent, request) {
  if (Array.isArray(request)) {
    if (request.length === 0) throw new TypeError("newcall needs at least one call to make");
    const wishes = request.map(normal);
    const group = new RingGroup();
    return wishes.map((wish) => below(parent, wish, group));
  }
  return below(parent, normal(request), undefined);
}

/** @param {object} request A copy of ours. */
function below(parent, request, group) {
  const { identity, known, control } = parent;
  request.maxforwards ??= (known.maxforwards ?? MAXFORWARDS + 1) - 1;
  request.from ??= { user: identity.user, domain: identity.domain };
  request.from.domain ??= identity.domain;
  const { number, name } = known.callerid ?? {};
  const shown = parent.originator ? {} : { number, name };
  request.cid = { ...request.cid };
  request.cid.number ??= shown.number || request.from.user;
  request.cid.name ??= shown.name || request.from.user;
  return place(control, plan(control, request), parent, group);
}

/** @returns {object} A copy of the request with `to` and `from` as objects. */
function normal(request) {
  const wish = typeof request === "object" && request !== null ? { ...request } : { to: request };
  wish.to = party(wish.to);
  if (wish.from !== undefined) wish.from = party(wish.from);
  if (!wish.to?.user) throw new TypeError("newcall needs `to`: a user, or {user, domain}");
  if (wish.codecs !== undefined) codecs.check(wish.codecs);
  if (wish.callerid && !wish.cid) wish.cid = wish.callerid;
  return wish;
}

function party(value) {
  if (typeof value === "object" && value !== null) return { ...value };
  if (value === undefined || value === null || value === "") return undefined;
  const given = String(value);
  const text = given.includes(":") ? given.replace(/^sips?:/i, "") : given;
  const at = text.indexOf("@");
  return at < 0 ? { user: text } : { user: text.slice(0, at), domain: text.slice(at + 1) };
}

/** Fills in what a gateway or the defaults give. @param {object} request A copy of ours. @returns {object} The same. */
function plan(control, request) {
  request.maxforwards ??= MAXFORWARDS;
  const { gw } = control;
  if (request.forward) {
    if (!gw) throw new TypeError("forward needs a gateway: set projectcontrol.gw first");
    request.from = { ...request.from, ...pick(gw.from, ["user", "domain", "authsecret", "authuser"]) };
    request.to = { ...request.to, ...pick(gw.to, ["domain"]) };
    request.cid = { ...request.cid, ...pick(gw.cid, ["name", "number", "private"]) };
    request.codecs = gw.codecs ?? request.codecs;
  }
  request.from ??= { user: request.cid?.number ?? "anonymous", domain: request.to.domain };
  request.from.domain ??= request.domain ?? request.to.domain;
  return request;
}

function pick(from, names) {
  return Object.fromEntries(names.filter((name) => from?.[name] !== undefined).map((name) => [name, from[name]]));
}

function place(control, request, parent, group) {
  const { from, to, maxforwards } = request;
  const known = { originator: true, domain: from.domain, to: to.user, from: from.user, maxforwards, ring: false, answered: false, hold: false, hangup: false };
  known.error = { code: 0, status: "" };
  const call = control.table.create(known);
  control.host.keep?.("placed", call.known);
  control.host.keep?.("wish", request);
  call.metadata.codecs = request.codecs;
  if (request.media) call.metadata.media = request.media;
  if (request.maxduration !== undefined) call.maxduration = request.maxduration;
  group?.add(call);
  if (parent) parent.metadata.family.adopt(parent, call);
  if (request.direct && parent && !request.lateoffer) direct.begin(parent, call);
  Object.defineProperty(call, "request", { value: request, writable: true });
  invite(control, call, request, parent);
  return call;
}

async function invite(control, call, request, parent) {
  const over = control.table.originating();
  control.enter();
  try {
    if (parent?.hungup || parent?.dialog.ending) throw new CallError(487, "the calling call is over");
    if (request.maxforwards <= 0) throw new CallError(483, "passed on too often");
    const near = parent?.metadata.channel;
    // An offer is made unless asked not to: most phones expect one.
    const sdp = request.lateoffer ? undefined : await call.session.offer(call, request.codecs, near);
    // Placed again, it has its offer already; another far end answers it.
    if (call.dialog.ending || call.hungup) throw new CallError(487, "ended before it was placed");
    const reply = await send(control, call, parent, request, sdp);
    const callid = reply.code === 200 ? control.picks.callid(reply.text)?.[0] : undefined;
    if (!callid) throw new CallError(ROUTING.has(reply.code) ? reply.code : 500, reply.message);
    call.known.callid = callid;
    call.history = `We created new call ${call.id}`;
    control.table.placed(call);
    call.dialog.connected(call);
    news(control, call);
  } catch (error) {
    call.fail(error);
    news(control, call);
    call.end({ code: call.error.code, status: call.error.message });
  } finally {
    over();
    control.leave();
  }
}

/** Places it with a SIP server: the parent's if it takes more, else the better of two, and the next if it cannot have seen it. */
function send(control, call, parent, request, sdp) {
  const { sippool } = control;
  const near = parent?.dialog.server;
  return new Promise((resolve) => {
    const asking = { control, call, request, sdp, resolve, tried: new Set() };
    const first = sippool.pickknown(near);
    if (first) attempt(asking, first);
    else sippool.ready().then(() => attempt(asking, sippool.pick(near), { code: 503, message: "no SIP server is named" }));
  });
}

/** Asks one server; without one the reply of that before it is the answer. */
function attempt(asking, server, before) {
  const { control, call, request, sdp, resolve, tried } = asking;
  const { sippool, sippeer } = control;
  if (!server) {
    resolve(before);
    return;
  }
  tried.add(server);
  call.dialog.server = server;
  const last = tried.size >= sippool.count;
  const wish = body(control, server, request, sdp);
  const placed = (reply) => {
    server.took();
    resolve(reply);
  };
  sippeer.send("POST", "/dialog/invite", wish, { server, once: !last, probe: !last }, (reply) => {
    if (last) placed(reply);
    else if (reply.unsent || (reply.code === 503 && !reply.unreachable)) attempt(asking, sippool.pick(undefined, tried), reply);
    // It may have seen it: only there may it be asked again, for the key makes it the same call.
    else if (reply.unreachable) sippeer.send("POST", "/dialog/invite", wish, { server }, placed);
    else placed(reply);
  });
}

function news(control, call) {
  for (const callback of call.callbacks.take("onnewcall")) control.invoke(callback, call, "onnewcall");
}

function body(control, server, request, sdp) {
  const { from, to, maxforwards, cid, headers, autoanswer } = request;
  const wish = JSON.stringify({ from, to, domain: from.domain, maxforwards, cid, control: control.urlfor(server), headers, autoanswer, idempotency: control.nextkey() });
  return sdp === undefined ? wish : `${wish.slice(0, -1)},"sdp":${sdp.text}}`;
}

/** Places a call of ours once more, elsewhere: see redirect.js. */
function again(call, request) {
  const { control } = call;
  call.request = request;
  call.history = `Redirected to ${request.to.user}`;
  call.callinfo = { ...call.callinfo, callid: undefined, to: request.to.user, seq: undefined, sdp: undefined };
  invite(control, call, request, call.metadata.family.parent);
}

module.exports = { single, child, again };
