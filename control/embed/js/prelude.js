/**
 * What a script finds in the embedded engine besides the language: require, console, timers, process, and `mediaswitchhost` for the library.
 *
 *   (native) ─► { load, request, reply, listening, timer, immediate, rejected, settle, failed, stop }
 *
 * Shape:  one function, called once at start with the engine's functions; the engine calls what it returns, once per turn each.
 *         Everything that waits is kept here under a number; the engine knows the numbers only.
 * Units:  milliseconds.
 * Errors: what nobody catches goes to the library's guard, or else to the log, with its stack.
 */
(function (native, inspect, defaults, environment) {
  "use strict";

  const NONE = Object.freeze([]);
  const NOTHING = Object.freeze({});
  const TIMERS_MAX = 100_000;
  const waiting = new Map();
  const servers = new Map();
  const timers = new Map();
  let immediates = [];
  /** What a request has put off until its answer is given. */
  let after;
  let rejections = new Map();
  let last = 0;
  let guard;

  /** Timers set while the script was read: a reload ends them, those of calls go on. */
  let top = new Set();
  let loading = false;
  let undo = () => undefined;

  const number = () => (last += 1);

  /** To run in a turn of its own, soon. */
  function putoff(entry) {
    immediates.push(entry);
    native.deferred();
  }

  // --- memory --------------------------------------------------------------------------------------------------------------
  // QuickJS takes memory in slabs, one size of things to a slab, and gives a slab back with the last thing in it. Of each size one
  // thing stays, so that sizes used for a moment do not take and give back a slab each time: 60 slabs of 4 KiB at most.
  const slabs = Array.from({ length: 60 }, (_, n) => "x".repeat(8 * n + 1));

  /** Tells the engine when it has collected unused cycles, of which it is given one to find each time. */
  const registry = new FinalizationRegistry(() => {
    native.collected();
    knot();
  });
  function knot() {
    const cycle = {};
    cycle.self = cycle;
    registry.register(cycle);
  }
  knot();
  native.kept = [slabs, registry];

  // An object gains its properties one after the other, and QuickJS has a table of names for each step on that way. Objects share a table that is
  // there, but it goes with the last of them, and of most steps there never is one: each object would make and drop all its tables anew. So of
  // kinds that calls make all the time one object is kept at each step.
  const steps = new Map();

  /**
   * @param {string} kind The first sample of a kind counts.
   * @param {object} sample
   * @param {number} [before] So many of its private names stand before those of its own class or those below it; all, if left out.
   */
  function keep(kind, sample, before) {
    if (steps.has(kind)) return;
    const hidden = Array.from({ length: native.hidden(sample, 0) }, (_, at) => (one) => native.hidden(sample, at, one));
    const shown = Reflect.ownKeys(sample).map((key) => {
      // Getters and setters are part of the form, values are not.
      const { value, ...form } = Object.getOwnPropertyDescriptor(sample, key);
      return (one) => Object.defineProperty(one, key, form);
    });
    const gain = [...hidden.slice(0, before), ...shown, ...hidden.slice(before ?? hidden.length)];
    const upto = (length) => {
      const one = Object.create(Object.getPrototypeOf(sample));
      for (const next of gain.slice(0, length)) next(one);
      return one;
    };
    steps.set(kind, Array.from({ length: gain.length + 1 }, (_, length) => upto(length)));
  }

  // --- errors nobody caught ------------------------------------------------------------------------------------------------
  function failed(error, where) {
    if (guard) guard(error, where);
    else native.log("error", `${where}: ${inspect.error(error)}`);
  }

  /**
   * The error itself. Without memory for one the engine throws null: then the callback that was running is named instead.
   * A rejection of such a callback comes without it, and is told as it is.
   */
  function blame(error, callback) {
    if (error !== null) return error;
    const named = new Error("out of memory");
    named.name = "InternalError";
    named.stack = `    at or below ${callback.name || "<anonymous>"} (${callback.fileName}:${callback.lineNumber})`;
    return named;
  }

  /** Runs what the script gave us; its errors end here. */
  function run(where, callback, args) {
    try {
      if (args.length === 0) callback();
      else callback(...args);
    } catch (error) {
      failed(blame(error, callback), where);
    }
  }

  // --- the library's host --------------------------------------------------------------------------------------------------
  function ask(start) {
    return new Promise((resolve, reject) => {
      const id = number();
      waiting.set(id, { resolve, failed: reject });
      start(id);
    });
  }

  /** Who waits under this number, and no longer does. */
  function waiter(id) {
    const one = waiting.get(id);
    waiting.delete(id);
    return one;
  }

  const flats = new WeakMap();

  /** Headers as a list of names and values, with the time-out behind them; of those that cannot change it is made once. */
  function flat(headers = {}, timeoutms) {
    const known = flats.get(headers);
    if (known?.timeoutms === timeoutms) return known.list;
    const list = [...Object.entries(headers).flat(), "timeout", String(timeoutms)];
    if (Object.isFrozen(headers)) flats.set(headers, { timeoutms, list });
    return list;
  }

  const request = ({ host, port, method, path, headers, body, timeoutms }) =>
    ask((id) => native.request(id, host, port, method, path, flat(headers, timeoutms), body ?? ""));

  /** As `request`, to a server of the library, without a promise. The engine knows servers by a number, with headers that cannot change. */
  request.send = (server, method, path, body, timeoutms, asker) => {
    const id = number();
    waiting.set(id, asker);
    server.origin ??= native.origin(server.host, server.port, ...server.headers.map((headers) => Object.entries(headers).flat())) ?? -1;
    if (server.origin >= 0) native.send(id, server.origin, method, path, body, timeoutms);
    else native.request(id, server.host, server.port, method, path, flat(server.headers[body === undefined ? 0 : 1], timeoutms), body ?? "");
  };

  const list = (...found) => found;

  /** See `picker` of host/index.js. */
  function picker(fields) {
    const pick = native.picker(fields);
    return (text) => pick(text, list);
  }

  globalThis.mediaswitchhost = {
    defaults,
    request,
    picker,
    parse: native.parse,
    async listen({ host, port }, handler) {
      const server = number();
      servers.set(server, handler);
      const bound = await ask((id) => native.listen(id, server, host, port));
      return { port: bound, close: () => ask((id) => native.unlisten(id, server)).then(() => servers.delete(server)) };
    },
    timer(ms, callback) {
      const id = schedule(callback, ms, [], false);
      return () => cancel(id);
    },
    defer: (callback) => void (after === undefined ? putoff(["deferred work", callback, NONE]) : after.push(callback)),
    log: (level, text) => native.log(level, text),
    now: Date.now,
    keep,
    blame,
    /** Addresses of a name: `["192.0.2.1", …]`. */
    resolve: (name) => ask((id) => native.lookup(id, name)).then(({ body }) => body.split(" ")),
    guard: (report) => (guard = report),
    onstop: undefined,
  };

  function respond(id, { status, headers, body }) {
    if (headers === undefined && body === undefined) native.done(id, status);
    else native.respond(id, status, headers ? Object.entries(headers).flat() : NONE, body ?? "");
  }

  function wrong(id, request, error) {
    native.done(id, 500);
    failed(error, `${request.method} ${request.path}`);
  }

  /** A request to one of our servers, as the library's host gives it. */
  class Incoming {
    constructor(method, parts, body, headers, query) {
      this.method = method;
      this.parts = parts;
      this.body = body;
      this.headers = headers;
      this.query = query;
    }

    /** Path and query as they came, but for the choice of escapes. */
    get path() {
      return `/${this.parts.map(encodeURIComponent).join("/")}${this.query === undefined ? "" : `?${this.query}`}`;
    }
  }

  keep("request", new Incoming());

  // --- timers --------------------------------------------------------------------------------------------------------------
  function schedule(callback, ms, args, every) {
    if (typeof callback !== "function") throw new TypeError("a timer needs a function");
    if (timers.size >= TIMERS_MAX) throw new RangeError(`more than ${TIMERS_MAX} timers`);
    const id = number();
    // Not finite, negative or absent is 0, as in browsers and Node; a repetition takes at least a millisecond.
    if (loading) top.add(id);
    const wait = Math.max(Number.isFinite(Number(ms)) ? Number(ms) : 0, every ? 1 : 0);
    timers.set(id, { callback, args, every: every ? wait : undefined });
    native.timer(id, wait);
    return id;
  }

  function cancel(id) {
    if (timers.delete(id)) native.untimer(id);
  }

  globalThis.setTimeout = (callback, ms, ...args) => schedule(callback, ms, args, false);
  globalThis.setInterval = (callback, ms, ...args) => schedule(callback, ms, args, true);
  globalThis.setImmediate = (callback, ...args) => {
    const entry = ["setImmediate", callback, args];
    putoff(entry);
    return entry;
  };
  globalThis.clearTimeout = globalThis.clearInterval = cancel;
  globalThis.clearImmediate = (entry) => void (immediates = immediates.filter((one) => one !== entry));
  globalThis.queueMicrotask = (callback) => void Promise.resolve().then(() => run("queueMicrotask", callback, []));

  // --- fetch: as much of it as call scripts need -----------------------------------------------------------------------------
  const URL_PARTS = /^http:\/\/(\[[^\]]+\]|[^:/?#]+)(?::(\d+))?(\/[^?#]*)?(\?[^#]*)?/i;

  /** @param {string} url `http://` only. @param {{method?, headers?, body?: string, timeout?: number}} [how] `timeout` in milliseconds, 10 000. */
  globalThis.fetch = async (url, { method = "GET", headers = {}, body, timeout = 10_000 } = {}) => {
    const parts = URL_PARTS.exec(String(url));
    if (!parts) throw new TypeError(`fetch: "${url}" does not start with http://host; https is not spoken here`);
    const [, host, port, path, query] = parts;
    const target = { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? 80), method, path: (path ?? "/") + (query ?? "") };
    const { status, body: text } = await globalThis.mediaswitchhost.request({ ...target, headers, body, timeoutms: timeout });
    return { status, ok: status >= 200 && status < 300, url: String(url), text: async () => text, json: async () => JSON.parse(text) };
  };

  // --- console and process -------------------------------------------------------------------------------------------------
  const line = (level) => (...args) => native.log(level, inspect.line(args));
  globalThis.console = { log: line("info"), info: line("info"), warn: line("warn"), error: line("error"), debug: line("debug"), trace: line("debug") };
  globalThis.process = Object.freeze({
    env: Object.freeze(environment),
    argv: Object.freeze(["project-control", native.script]),
    platform: "linux",
    versions: Object.freeze({ mediaswitch: native.version }),
    uptime: () => (Date.now() - native.started) / 1000,
    nextTick: (callback, ...args) => void Promise.resolve().then(() => run("nextTick", callback, args)),
  });
  globalThis.global = globalThis;

  // --- modules -------------------------------------------------------------------------------------------------------------
  const modules = new Map();

  /** Runs a module once. @param {string} path A name that `native.source` knows. */
  function load(path) {
    const known = modules.get(path);
    if (known) return known.exports;
    const module = { id: path, filename: path, exports: {}, loaded: false };
    modules.set(path, module);
    try {
      const source = path === native.script && native.text !== undefined ? native.text : native.source(path);
      if (path.endsWith(".json")) module.exports = JSON.parse(source);
      else {
        const directory = path.slice(0, path.lastIndexOf("/")) || "/";
        const require = (name) => load(native.resolve(directory, String(name)));
        require.source = (name) => native.source(native.resolve(directory, String(name)));
        native.compile(source, path).call(module.exports, module.exports, require, module, path, directory);
      }
    } catch (error) {
      // The next one to ask gets the error again, not half a module.
      modules.delete(path);
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  /** The script of the program, read for the first time or again. */
  function main() {
    loading = true;
    try {
      return load(native.script);
    } finally {
      loading = false;
    }
  }

  /**
   * Reads the script anew: calls and what they wait for stay, settings and callbacks of the script are those of the new text.
   * If it fails, all is as before; the engine calls `undo` if it had to stop it.
   */
  function reload() {
    const [kept, old] = [new Map(modules), top];
    const restores = [...modules.values()].map(({ exports }) => exports?.checkpoint?.()).filter(Boolean);
    top = new Set();
    undo = () => {
      for (const id of top) cancel(id);
      top = old;
      modules.clear();
      for (const [path, module] of kept) modules.set(path, module);
      for (const restore of restores) restore();
      undo = () => undefined;
    };
    for (const path of kept.keys()) if (!path.startsWith("lib:") || path === native.script) modules.delete(path);
    try {
      main();
      for (const id of old) cancel(id);
      undo = () => undefined;
      native.log("info", "the script was read again");
      return true;
    } catch (error) {
      undo();
      failed(error, "the changed script failed, the one before goes on");
      return false;
    }
  }

  // --- what the engine calls -----------------------------------------------------------------------------------------------
  return {
    load: main,
    reload,
    undo: () => undo(),
    failed,
    /** A request to one of our servers; its answer goes to `native.respond`. */
    request(id, server, method, body, authorization, query, ...parts) {
      const handler = servers.get(server);
      const request = new Incoming(method, parts, body, authorization === undefined ? NOTHING : { authorization }, query);
      const begun = [];
      after = begun;
      try {
        const answer = handler(request);
        if (typeof answer.then === "function") answer.then((later) => respond(id, later)).catch((error) => wrong(id, request, error));
        else respond(id, answer);
      } catch (error) {
        wrong(id, request, error);
      }
      after = undefined;
      for (let n = 0; n < begun.length; n += 1) run("deferred work", begun[n], NONE);
    },
    /** The end of a request, a listen or an unlisten of ours. */
    reply(id, status, body) {
      const one = waiter(id);
      if (one.done) one.done(status, body);
      else one.resolve({ status, body });
    },
    done(id, value) {
      waiter(id).resolve(value);
    },
    refused(id, message, unsent) {
      waiter(id).failed(Object.assign(new Error(message), { unsent }));
    },
    timer(id) {
      const timer = timers.get(id);
      if (!timer) return;
      if (timer.every === undefined) timers.delete(id);
      else native.timer(id, timer.every);
      run("timer", timer.callback, timer.args);
    },
    /** Runs one immediate; whether there are more. */
    immediate() {
      const entry = immediates.shift();
      if (entry) run(...entry);
      return immediates.length > 0;
    },
    /** A promise was rejected, or a rejection handled after all. */
    rejected(promise, reason, handled) {
      if (handled) rejections.delete(promise);
      else rejections.set(promise, reason);
    },
    /** All jobs are done: what is still rejected was not handled. */
    settle() {
      const left = rejections;
      rejections = new Map();
      for (const reason of left.values()) failed(reason, "unhandled rejection");
    },
    /** The program ends. */
    stop() {
      const stopped = globalThis.mediaswitchhost.onstop?.();
      Promise.resolve(stopped).then(native.stopped, native.stopped);
    },
  };
});
