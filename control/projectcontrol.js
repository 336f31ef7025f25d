/**
 * The control server of a script: settings, the directory, calls, and the HTTP server that hears what happens.
 *
 *   directory(domain, users) ─► project-sip          newcall(request) ─► a call
 *   onnewcall onringing onanswer onhold onoffhold onhangup onreporting onreg ondereg onmessage: stacking, run in the order set
 *   run() ─► listens on `us`; from then on callbacks come
 *
 * Shape:  `sip`, `rtp` and `us` are `{host, port, token?}`; at most `maxcalls` calls.
 * Units:  milliseconds; ports are TCP ports.
 * Errors: wrong settings throw `TypeError`. An error in a callback is logged with its stack and the call's id; a call not yet
 *         answered then ends with 500; nothing else is touched.
 */
"use strict";

const CallTable = require("./calltable.js");
const Audit = require("./audit.js");
const Callbacks = require("./callbacks.js");
const Conference = require("./conference.js");
const Peer = require("./peer.js");
const Pool = require("./pool.js");
const Reclaim = require("./reclaim.js");
const Routes = require("./routes.js");
const address = require("./address.js");
const codecs = require("./codecs.js");
const originate = require("./originate.js");
const { picks } = require("./pick.js");
const relearn = require("./relearn.js");
const rescue = require("./rescue.js");
const times = require("./times.js");

const MAXCALLS = 20_000;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

class ProjectControl {
  #codecs = ["pcma", "pcmu", "722", "ilbc", "2833"];
  #moh = {};
  #sessionid;
  #keys = 0;
  #keyprefix;
  #url = {};
  #server;
  #running;
  #tracked = new Set();
  #under = 0;
  #idlers = [];
  /** The call whose callback is running. */
  #current;

  /** @param {object} host What it runs on, see host/index.js. */
  constructor(host) {
    const { us, sip, rtp } = host.defaults ?? {};
    /** The SIP server's HTTP address; a list for several. */
    this.sip = address.all(sip, 9000);
    /** The RTP server's HTTP address; a list for several, and a name stands for all its addresses. */
    this.rtp = address.all(rtp, 9002);
    /** Where we listen and are reached. `token` is asked of all who call; `insecure: true` allows an open listener. */
    this.us = address(us, 9001);
    /** How long what may take, see times.js; milliseconds. */
    this.times = times();
    /** Whose order of codecs counts when a call is answered: `"theirs"` or `"ours"`. */
    this.prefer = "theirs";
    /** What channels are to be like: `{ip?, jitter?: {min?, max?}}`, see openapi.yaml, `POST /channel`; the RTP server's own way if empty. */
    this.media = {};
    /** Most milliseconds that a call may last from its answer; 0 is no limit. `call.maxduration` overrules it. */
    this.maxduration = 0;
    /** Rooms by name, see `conference`. */
    this.conferences = new Map();
    /** Gateways, the first is used. */
    this.gateways = [];
    /** Set by `POST /drain`: no new calls. */
    this.draining = false;
    /** Calls moved from one RTP server to another since start. */
    this.rescued = 0;
    /** Errors of scripts since start. */
    this.errors = 0;
    const hidden = { host, callbacks: new Callbacks(), started: host.now(), send: Peer.sender(host), picks: picks(host) };
    for (const [name, value] of Object.entries(hidden)) Object.defineProperty(this, name, { value });
    Object.defineProperty(this, "table", { value: new CallTable(this, MAXCALLS) });
    Object.defineProperty(this, "sippeer", { value: new Peer(this, "sip") });
    Object.defineProperty(this, "rtppeer", { value: new Peer(this, "rtp") });
    Object.defineProperty(this, "sippool", { value: new Pool(this, "sip") });
    Object.defineProperty(this, "rtppool", { value: new Pool(this, "rtp") });
    Object.defineProperty(this, "audit", { value: new Audit(this) });
    Object.defineProperty(this, "reclaim", { value: new Reclaim(this) });
    Object.defineProperty(this, "domains", { value: new Map() });
    this.rtppool.onlost = (server) => this.#rtplost(server);
    this.sippool.onback = (server) => this.#sipback(server);
    this.#keyprefix = `${this.started.toString(36)}-${Math.random().toString(36).slice(2)}-`;
    // RFC 4566 §5.2: the id of a description should not come again; seconds since 1970 keep restarts apart.
    this.#sessionid = Math.floor(host.now() / 1000) * 1000;
  }

  /** Codec words offered and accepted, the best first. */
  get codecs() {
    return this.#codecs;
  }
  set codecs(words) {
    this.#codecs = codecs.check(words);
  }
  /** Music on hold: a sound soup, times in milliseconds. */
  get moh() {
    return this.#moh;
  }
  set moh(soup) {
    this.#moh = soup;
  }
  /** The first gateway: `{from: {user, domain, authsecret}, to: {domain}, cid, codecs}`. Assigning adds one. */
  get gw() {
    return this.gateways[0];
  }
  set gw(gateway) {
    this.gateways.push(gateway);
  }
  /** Most calls at once. */
  get maxcalls() {
    return this.table.max;
  }
  set maxcalls(max) {
    if (!Number.isInteger(max) || max < 1) throw new TypeError("maxcalls must be a whole number above 0");
    this.table.max = max;
  }
  /** The live calls by Call-ID. */
  get calls() {
    return Object.fromEntries(this.table.list().map((call) => [call.id, call]));
  }
  /** Our address as other servers call it. */
  get url() {
    const { host, port } = this.us;
    const known = this.#url;
    if (known.host !== host || known.port !== port) {
      const name = host.includes(":") ? `[${host}]` : host;
      this.#url = { host, port, text: port === 80 ? `http://${name}` : `http://${name}:${port}` };
    }
    return this.#url.text;
  }

  /** Our address as this SIP server is to use it: with several, its own name is in it, so that its events can be told apart. */
  urlfor(server) {
    return this.sippool.count > 1 ? `${this.url}/from/${encodeURIComponent(server.key)}` : this.url;
  }

  /** A number from 0 to 1, for choices; tests give their own. */
  random() {
    return Math.random();
  }

  /** What an RTP server held is lost: moved, if there is where to. @returns {boolean} Whether there is. */
  #rtplost(server) {
    const elsewhere = this.rtppool.servers.some((one) => one.open && (one !== server || one.state === "up"));
    // With no other, its media may still flow: only its HTTP is known to be silent.
    if (elsewhere) this.track(rescue(this, server));
    return elsewhere;
  }

  /** A SIP server answers again: it may know nothing any more. */
  #sipback(server) {
    for (const domain of this.domains.keys()) this.track(this.#tell(server, domain));
    this.track(this.audit.server(server));
  }

  /**
   * Tells the SIP server the users of a domain, and that we control it; replaces what it knew. Asked again until it is there.
   * @param {string} domain
   * @param {Array<{username: string, secret?: string, ha1?: string}>} users
   * @param {{authentication?: string|object}} [settings] Whom the domain asks for a password, as `PUT /dir/{domain}` has it. With an
   *   `onmessage` set, `messages` is true unless said otherwise.
   * @returns {Promise<boolean>} `true` when taken, `false` if the SIP server refuses it.
   * @throws {TypeError} Wrong arguments.
   */
  directory(domain, users, settings = {}) {
    if (typeof domain !== "string" || domain === "") throw new TypeError("directory needs a domain");
    if (!Array.isArray(users)) throw new TypeError("directory needs an array of users");
    this.domains.set(domain, { users, settings });
    return this.track(this.#directory(domain));
  }

  async #directory(domain) {
    // With port 0 our address is known only once we listen, and `run` may come a line later.
    await Promise.resolve();
    if (this.us.port === 0) await this.#running;
    await this.sippool.ready();
    const taken = await Promise.all(this.sippool.servers.map((server) => this.#tell(server, domain)));
    return taken.every(Boolean);
  }

  async #tell(server, domain) {
    const { users, settings } = this.domains.get(domain);
    let { authentication } = settings;
    // Written as a word it leaves no room for more.
    if (typeof authentication !== "string" && this.callbacks.list("onmessage").length > 0) authentication = { messages: true, ...authentication };
    for (let waited = false; ; waited = true) {
      const reply = await this.sippeer.request("PUT", `/dir/${encodeURIComponent(domain)}`, { control: this.urlfor(server), users, authentication }, { server });
      if (!reply.unreachable) {
        const taken = reply.code < 300;
        this.host.log(taken ? "info" : "error", `directory ${domain}: ${taken ? `${users.length} users` : reply.message}`);
        return taken;
      }
      if (!waited) this.host.log("warn", `directory ${domain}: ${reply.message}; trying on`);
      if (this.#stopped) return false;
      await this.sleep(this.times.directory);
    }
  }

  #stopped = false;

  /**
   * Makes a call that belongs to no other.
   * @param {object|string} request `{from?, to, maxforwards?, cid?, codecs?, forward?, headers?, autoanswer?, lateoffer?}`.
   * @returns {object} The call, at once; set its `onnewcall`, `onanswer` … now.
   * @throws {TypeError} `to` is missing.
   */
  newcall(request) {
    return originate.single(this, request);
  }

  /**
   * Connects two by script: calls `from`, and when that answers runs `onnewcall` as if it had dialled `to`.
   * @param {{from: object|string, to: object|string, domain?: string, cid?: object}} request
   * @returns {Promise<object>} The call to `from`, placed or with `error`.
   * @throws {TypeError} `from` or `to` is missing.
   */
  async connect(request) {
    const { from, to, domain, cid, callerid, codecs: words, headers, autoanswer } = request;
    if (!from) throw new TypeError("from is missing");
    if (!to) throw new TypeError("to is missing");
    const dialled = typeof to === "object" ? to.user : String(to);
    const number = dialled.split("@")[0];
    const at = domain ?? from.domain ?? (typeof from === "string" ? from.split("@")[1] : undefined);
    const shown = cid ?? callerid ?? { number, name: number };
    const call = this.newcall({ to: from, from: { user: number, domain: at }, cid: shown, codecs: words, headers, autoanswer, domain: at });
    if (!call.metadata.destination) call.metadata.destination = number;
    call.onanswer = () => this.table.arrived(call);
    return new Promise((resolve) => {
      call.onnewcall = () => resolve(call);
    });
  }

  /** The room of that name, made if it is not there; see conference.js. */
  conference(name) {
    if (!this.conferences.has(name)) this.conferences.set(name, new Conference(this, name));
    return this.conferences.get(name);
  }

  /**
   * Listens for the other servers; callbacks come from now on.
   * @returns {Promise<void>} When it listens.
   * @throws {Error} The address cannot be listened on, or is open to all without `us.token` or `us.insecure`.
   */
  run() {
    this.#running ??= this.#run();
    // A script that does not wait for it learns from the log.
    this.#running.catch((error) => this.host.log("error", `control server does not run: ${error.message}`));
    return this.#running;
  }

  async #run() {
    const { host, port, listen = host, token, insecure } = this.us;
    if (!LOOPBACK.test(listen) && !token && !insecure) {
      throw new Error(`${listen} can be reached by others: set projectcontrol.us.token, or projectcontrol.us.insecure = true`);
    }
    this.host.guard?.((error, where) => this.#uncaught(error, where));
    this.host.onstop = () => this.stop();
    const routes = new Routes(this);
    this.#server = await this.host.listen({ host: listen, port }, (request) => routes.handle(request));
    this.us.port = this.#server.port;
    this.host.log("info", `project-control listens on ${listen} port ${this.us.port}`);
    this.track(this.#learn());
    for (const one of [this.sippool, this.rtppool, this.audit]) one.watch();
  }

  /** Calls that went on while we were not there. */
  async #learn() {
    await this.sippool.ready();
    const counts = await Promise.all(this.sippool.servers.map((server) => this.audit.learn(server)));
    const learnt = counts.reduce((sum, count) => sum + (count ?? 0), 0);
    await relearn(this, !counts.includes(undefined));
    if (learnt > 0) this.host.log("info", `${learnt} calls taken over`);
  }

  /**
   * Stops listening. With `{hangup: true}` ends all calls first.
   * @returns {Promise<void>} When nothing of ours is under way any more.
   */
  async stop({ hangup = false } = {}) {
    this.draining = true;
    for (const one of [this.sippool, this.rtppool, this.audit, this.reclaim]) one.close();
    if (hangup) await Promise.all(this.table.list().map((call) => call.hangup()));
    this.#stopped = true;
    await this.idle();
    await this.#server?.close();
    this.#server = undefined;
  }

  /**
   * Forgets what a script has set, for it is read anew; live calls keep what was set on them.
   * @returns {Function} Undoes that.
   */
  checkpoint() {
    const { callbacks, gateways, prefer, media, maxduration } = this;
    const [lists, gates, words, moh] = [callbacks.clear(), [...gateways], this.#codecs, this.#moh];
    gateways.length = 0;
    return () => {
      callbacks.restore(lists);
      gateways.splice(0, Infinity, ...gates);
      Object.assign(this, { codecs: words, moh, prefer, media, maxduration });
    };
  }

  /** @returns {Promise<void>} When no request of ours is under way. */
  async idle() {
    while (this.#tracked.size > 0 || this.#under > 0) {
      await Promise.allSettled([...this.#tracked]);
      if (this.#under > 0) await new Promise((resolve) => this.#idlers.push(resolve));
    }
  }

  /** Work that ends with `leave` has begun: as `track`, for what has no promise. */
  enter() {
    this.#under += 1;
  }

  /** Such work is over. */
  leave() {
    this.#under -= 1;
    if (this.#under === 0) for (const resolve of this.#idlers.splice(0)) resolve();
  }

  /** Asks the SIP server something of your own. `callback` gets what the promise gives: `{code, message, json}`. */
  sipserver(request, path, method = "PUT", callback) {
    return this.#own(this.sippeer, request, path, method, callback);
  }
  /** Asks the RTP server something of your own. */
  rtpserver(request, path, method = "PUT", callback) {
    return this.#own(this.rtppeer, request, path, method, callback);
  }

  async #own(peer, request, path, method, callback) {
    const { code, message, json, ...rest } = await peer.request(method, path, request, { once: method === "POST" });
    const reply = { code, message, json, ...(rest.unreachable && { unreachable: true, unsent: rest.unsent }) };
    if (callback) callback(reply);
    return reply;
  }

  /** Event of a channel. @param {object} call Whose channel it is. @param {object} event */
  channelevent(call, event) {
    const { channel } = call.metadata;
    if (!channel?.heard(event) || call.hungup) return;
    const { action, event: what, reason } = event;
    call.history = `Channel: ${action}${what ? ` ${what}` : ""}${reason ? ` ${reason}` : ""}`;
    // Nothing follows from a mix that begins or ends.
    if (action === "mix") return;
    if (action === "telephone-event" && what !== undefined) call.progress.pressed(call, String(what));
    if (action === "play" || action === "record" || action === "media") {
      for (const callback of call.callbacks.list(`on${event.action}`)) this.invoke(callback, call, `on${event.action}`, event);
    }
    // What replaces another play ends it too, but then there is one that goes on.
    if (event.action === "play" && event.event === "end" && !["replaced", "new"].includes(event.reason)) call.played(event.reason ?? "completed");
    // On hold, whoever holds, silence is what was asked for.
    if (event.action === "media" && event.event === "timeout" && !call.hold && !call.held) call.hangup({ reason: "no media" });
    if (event.action === "close") {
      // The calls of a server that shuts down go elsewhere, if there is a place.
      if (event.reason === "shutdown") channel.server.leaves(this.host.now());
      if (event.reason !== "shutdown" || !this.#rtplost(channel.server)) call.hangup({ code: 503, reason: "channel lost" });
    }
  }

  /**
   * Runs a callback of a script.
   * @param {Function} callback Gets the call, or what else it is about, as argument and as `this`.
   * @param {object|undefined} call Ended with 500 if the callback fails and the call is unanswered.
   * @param {string} where For the log.
   */
  invoke(callback, call, where, ...rest) {
    const before = this.#current;
    this.#current = call;
    try {
      const result = call ? (rest.length === 0 ? callback.call(call, call) : callback.call(call, call, ...rest)) : callback.apply(undefined, rest);
      this.#current = before;
      if (typeof result?.then === "function") result.then(undefined, (error) => this.#failed(error, callback, call, where));
    } catch (error) {
      this.#current = before;
      this.#failed(error, callback, call, where);
    }
  }

  #failed(thrown, callback, call, where) {
    const error = this.host.blame ? this.host.blame(thrown, callback) : thrown;
    this.report(error, call ? `call ${call.id}: ${where}` : where);
    if (call && !call.answered && !call.hungup) call.hangup({ code: 500 });
  }

  /** An error that got past `invoke`: the engine stopped a callback that ran too long, or a timer of the script threw. */
  #uncaught(error, where) {
    const call = this.#current;
    this.#current = undefined;
    this.report(error, call ? `call ${call.id}: ${where}` : where);
    if (call && !call.answered && !call.hungup) call.hangup({ code: 500 });
  }

  /** Runs work of ours that must not stop the next. */
  guarded(work, where) {
    try {
      work();
    } catch (error) {
      this.report(error, where);
    }
  }

  /** Counts and logs an error of the script, or of ours. */
  report(error, where) {
    this.errors += 1;
    this.host.log("error", `${where}: ${described(error)}`);
  }

  /** Remembers work under way, for `idle`. @returns {Promise} The same. */
  track(work) {
    const tracked = work.then(
      (value) => {
        this.#tracked.delete(tracked);
        return value;
      },
      (error) => {
        this.#tracked.delete(tracked);
        this.report(error, "internal");
      },
    );
    this.#tracked.add(tracked);
    return tracked;
  }

  /** @returns {Promise<void>} After `ms`. */
  sleep(ms) {
    return new Promise((resolve) => this.host.timer(ms, resolve));
  }

  /** A number for `o=` of SDP. */
  nextsession() {
    this.#sessionid += 1;
    return this.#sessionid;
  }

  /** A key that makes a repeated originate the same call. */
  nextkey() {
    this.#keys += 1;
    return this.#keyprefix + this.#keys;
  }

  /** Our name for a channel: it tells whose it is, also after a restart. @param {"call"|"link"} what It is for. */
  nextid(what) {
    return `${this.url}/${what}-${this.nextkey()}`;
  }

  /** What a channel is for that we named before we were restarted. @returns {"call"|"link"|undefined} */
  formerly(id) {
    if (typeof id !== "string" || !id.startsWith(`${this.url}/`) || id.includes(this.#keyprefix)) return undefined;
    return /^(call|link)-/.exec(id.slice(this.url.length + 1))?.[1];
  }
}

for (const name of ["onnewcall", "onringing", "onanswer", "onhold", "onoffhold", "onhangup", "onreporting", "onreg", "ondereg", "onmessage"]) {
  Object.defineProperty(ProjectControl.prototype, name, {
    /** Adds a callback for all calls, registrations, or texts. */
    set(callback) {
      this.callbacks.add(name, callback);
    },
    get() {
      return this.callbacks.list(name);
    },
  });
}

/** An error with its stack; some engines begin the stack with name and message, some leave them out. */
function described(error) {
  if (!(error instanceof Error)) return String(error);
  const stack = String(error.stack ?? "").trimEnd();
  return error.message !== "" && stack.includes(error.message) ? stack : `${error.name}: ${error.message}\n${stack}`;
}

module.exports = ProjectControl;
