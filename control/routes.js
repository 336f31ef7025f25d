/**
 * What others may ask of this control server over HTTP.
 *
 *   PUT  /dialog/{callid}            snapshot of a call            DELETE, PUT /reg/{domain}/{user}   a phone went, came
 *   PUT  /channel/{uuid}             event of a channel            DELETE, POST /reg                  the same, told in the body
 *   PUT  /message/{domain}/{to}      text of a phone
 *   POST /invite                     call somebody, then `onnewcall`
 *   GET  /calls, /calls/{callid}     GET /status /health /ready    POST /drain
 *
 * Shape:  events are answered at once and worked off after the answer is out, in the order they came.
 * Errors: JSON `{error, detail}`: 400 bad body, 401 token, 404 no such thing, 405 with Allow, 503 full or draining.
 */
"use strict";

const Registration = require("./registration.js");
const { Snapshot } = require("./snapshot.js");
const address = require("./address.js");
const read = require("./json.js");
const VERSION = require("./version.js");

const OK = { status: 200 };

class Routes {
  #control;
  #table;
  #quick;

  /** @param {object} control The `projectcontrol` object. */
  constructor(control) {
    this.#control = control;
    this.#quick = Snapshot.reader(control.host);
    this.#table = new Map([
      ["dialog", { PUT: (request, parts, server) => this.#dialog(request, parts[1], server) }],
      ["channel", { PUT: (request, parts) => this.#channel(request, parts[1]) }],
      ["reg", { PUT: this.#reg("onreg"), POST: this.#reg("onreg"), DELETE: this.#reg("ondereg") }],
      ["message", { PUT: (request, [, domain, to]) => this.#message(request, domain, to) }],
      ["invite", { POST: (request) => this.#invite(request) }],
      ["calls", { GET: (_, [, callid]) => this.#calls(callid) }],
      ["status", { GET: () => json(200, this.#status()) }],
      ["health", { GET: () => json(200, { status: "ok" }) }],
      ["ready", { GET: () => (control.draining ? failed(503, "draining", "takes no new calls") : json(200, { status: "ready" })) }],
      ["drain", { POST: () => this.#drain() }],
    ]);
  }

  /**
   * @param {{method: string, path: string, headers: object, body: string, parts?: string[]}} request `parts`: those of the path, decoded, if
   *   the host has them.
   * @returns {{status: number, headers?: object, body?: string}|Promise} The answer: at once to an event.
   */
  handle(request) {
    const { token } = this.#control.us;
    if (token && !equal(request.headers.authorization ?? "", `Bearer ${token}`)) return failed(401, "unauthorized", "the bearer token is missing or wrong");
    let { parts } = request;
    if (parts === undefined) {
      try {
        parts = segments(request.path);
      } catch {
        return failed(400, "bad_path", "the path is not valid percent encoding");
      }
    }
    // Of several SIP servers each uses an address with its own name in it, see `urlfor`.
    let server;
    if (parts[0] === "from" && parts.length > 2) {
      try {
        server = this.#control.sippool.at(address(parts[1], 9000));
      } catch (error) {
        return failed(404, "not_found", error.message);
      }
      parts = parts.slice(2);
    }
    const route = this.#table.get(parts[0]);
    if (!route) return failed(404, "not_found", `nothing at /${parts[0] ?? ""}`);
    const handler = route[request.method === "HEAD" ? "GET" : request.method];
    if (!handler) return failed(405, "method_not_allowed", `${request.method} is not for /${parts[0]}`, { allow: Object.keys(route).join(", ") });
    try {
      const answer = handler(request, parts, server);
      return typeof answer.then === "function" ? answer.catch((error) => this.#wrong(request, error)) : answer;
    } catch (error) {
      return this.#wrong(request, error);
    }
  }

  #wrong(request, error) {
    if (error instanceof BadBody || error instanceof TypeError) return failed(400, "bad_body", error.message);
    this.#control.host.log("error", `${request.method} ${request.path}: ${error.stack ?? error}`);
    return failed(500, "internal", "an error of ours; it is in the log");
  }

  #dialog(request, callid, server) {
    const info = this.#quick?.(request.body) ?? snapshot(request.body, this.#control.table.get(callid)?.known, callid);
    if (typeof info.callid !== "string") throw new BadBody("callid must be a string");
    const { table, draining, host } = this.#control;
    if (!table.get(info.callid) && ((draining && !info.originator && !info.hangup) || !table.admits(info.callid))) {
      return failed(503, draining ? "draining" : "full", "takes no new calls", { "retry-after": "5" });
    }
    host.defer(() => {
      try {
        table.snapshot(info, server);
      } catch (error) {
        this.#control.report(error, `snapshot of ${info.callid}`);
      }
    });
    return OK;
  }

  #channel(request, uuid) {
    const { table, picks } = this.#control;
    const which = uuid ?? parse(request.body).uuid;
    const call = table.channels.get(which);
    // Of one that was given back nothing more need be told, nor told again.
    if (!call) return table.left(which) ? OK : failed(404, "no_such_channel", `no call has channel ${which}`);
    const found = picks.event(request.body);
    // Scripts see the events of plays, records and media as they came; of these two nobody may ever ask for the statistics.
    const ours = found?.[0] === "mix" || found?.[0] === "close";
    const event = ours ? { action: found[0], event: found[1], reason: found[2], seq: found[3], stats: found[4] } : parse(request.body);
    this.#control.host.defer(() => {
      try {
        this.#control.channelevent(call, event);
      } catch (error) {
        this.#control.report(error, `event of channel ${which}`);
      }
    });
    return OK;
  }

  #reg(name) {
    return (request, [, domain, user]) => {
      const body = parse(request.body);
      // The SIP server of old wrote `user@domain`.
      const [name_, at] = String(user ?? body.user ?? "").split("@");
      const registration = new Registration({ ...body, domain: domain ?? body.domain ?? at, user: name_ });
      if (!registration.domain || !registration.user) throw new BadBody("domain and user must be given, in the path or the body");
      this.#control.host.defer(() => {
        for (const callback of this.#control.callbacks.list(name)) this.#control.invoke(callback, undefined, name, registration);
      });
      return OK;
    };
  }

  #message(request, domain, to) {
    const message = { domain, to, ...parse(request.body) };
    this.#control.host.defer(() => {
      for (const callback of this.#control.callbacks.list("onmessage")) this.#control.invoke(callback, undefined, "onmessage", message);
    });
    return OK;
  }

  async #invite(request) {
    if (this.#control.draining) return failed(503, "draining", "takes no new calls", { "retry-after": "5" });
    const wish = parse(request.body);
    if (!Array.isArray(wish)) {
      const call = await this.#control.connect(wish);
      return call.haserror ? failed(call.error.code, "call_failed", call.error.message) : json(200, { callid: call.info.callid });
    }
    const calls = await Promise.all(wish.map((one) => this.#control.connect(one)));
    return json(200, calls.map((call) => (call.haserror ? { error: "call_failed", code: call.error.code, detail: call.error.message } : { callid: call.info.callid })));
  }

  #calls(callid) {
    const { table } = this.#control;
    if (callid === undefined) return json(200, table.ids());
    const call = table.get(callid);
    if (!call) return failed(404, "no_such_call", `no call ${callid}`);
    const { family, channel, history } = call.metadata;
    // A transfer refers to the call that asked for it; JSON gets its id.
    const refer = call.callinfo.refer && { ...call.callinfo.refer, referedby: call.callinfo.refer.referedby?.id };
    const links = { parent: family.parent?.id, children: family.children.map((one) => one.id) };
    return json(200, { callid, callinfo: { ...call.callinfo, refer }, family: links, channel, history });
  }

  #status() {
    const { table, started, host, draining, sippool, rtppool } = this.#control;
    return {
      program: "project-control",
      version: VERSION,
      host: host.name,
      uptime: Math.floor((host.now() - started) / 1000),
      draining,
      calls: { active: table.size, counter: table.counter, max: table.max },
      channels: { active: table.channels.size },
      servers: { sip: known(sippool), rtp: known(rtppool, (one) => ({ channels: held(table, one) })) },
      rescued: this.#control.rescued,
      errors: this.#control.errors,
    };
  }

  #drain() {
    this.#control.draining = true;
    return json(200, { draining: true, calls: this.#control.table.size });
  }
}

/** The parts of a path between its slashes. @throws {URIError} Wrong percent encoding. */
function segments(path) {
  const query = path.indexOf("?");
  const parts = (query < 0 ? path : path.slice(0, query)).split("/").filter((part) => part !== "");
  return path.includes("%") ? parts.map(decodeURIComponent) : parts;
}

/** The servers of a pool; those no longer named have the state `leaving` while they answer. */
function known({ servers, left }, more = () => undefined) {
  return [...servers, ...left].map((one) => ({ ...one, ...(one.open && left.includes(one) && { state: "leaving" }), ...more(one) }));
}

/** How many of our channels a server has. */
function held(table, server) {
  let count = 0;
  for (const call of table.channels.values()) if (call.metadata.channel?.server === server) count += 1;
  return count;
}

class BadBody extends Error {}

function parse(body) {
  if (!body) return {};
  let value;
  try {
    value = read.parse(body);
  } catch (error) {
    throw new BadBody(`the body is not JSON: ${error.message}`);
  }
  if (typeof value !== "object" || value === null) throw new BadBody("the body must be a JSON object");
  return value;
}

/** The text that descriptions were read from. */
const texts = new WeakMap();

/**
 * Reads a snapshot. The descriptions, most of its text, stand last in it and seldom change: then those of the last one are taken.
 * @param {string} body
 * @param {object} [known] The last one, if the call is known.
 * @param {string} callid Of the path.
 */
function snapshot(body, known, callid) {
  const info = described(body, known);
  info.callid ??= callid;
  return info;
}

function described(body, known) {
  const at = body.lastIndexOf(',"sdp":{');
  const text = at < 0 ? undefined : body.slice(at);
  const before = known?.sdp;
  if (before && text !== undefined && texts.get(before) === text) {
    try {
      // Only an object without its last member ends well with a brace.
      return Object.assign(read.parse(`${body.slice(0, at)}}`), { sdp: before });
    } catch {
      // `sdp` stood deeper: read all of it.
    }
  }
  const info = parse(body);
  if (typeof info.sdp === "object" && info.sdp !== null && text !== undefined) texts.set(info.sdp, text);
  return info;
}

function json(status, value) {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

function failed(status, error, detail, headers = {}) {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ error, detail }) };
}

/** Compares in a time that tells nothing about where two texts differ. */
function equal(given, wanted) {
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i += 1) difference |= given.charCodeAt(i % (given.length || 1)) ^ wanted.charCodeAt(i);
  return difference === 0;
}

module.exports = Routes;
