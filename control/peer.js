/**
 * One server that we ask over HTTP: project-sip or project-rtp.
 *
 *   request ──► host.request ──► reply { code, message, json }
 *                  └─ not reached ─► again after `times.tryagain` ─► reply with code 503
 *
 * Shape:  the server is the one named in `how`, else the pool's choice. Never rejects; a server that cannot be reached answers 503 with `unreachable: true`.
 * Units:  `times.trylimit` for each try, 5 s, and 4 tries: at most 21.4 s in all.
 * Errors: in the reply. A request is sent again only if the server cannot have seen it, or if seeing it twice does no harm.
 */
"use strict";

const Reply = require("./reply.js");

const NONE = Object.freeze({});

class Peer {
  #control;
  #which;
  #name;

  /**
   * @param {object} control The `projectcontrol` object, for its host and addresses.
   * @param {"sip"|"rtp"} which Property of it that holds `{host, port, token?}`; read at each request.
   */
  constructor(control, which) {
    this.#control = control;
    this.#which = which;
    this.#name = `${which}pool`;
    control.host.keep?.("asking", new Asking());
    control.host.keep?.("reply", new Reply());
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body] Sent as JSON.
   * @param {{server?: object, once?: boolean, probe?: boolean, limit?: number}} [how] The server to ask; `once`: harmful if it arrives
   *   twice; `probe`: one try only; `limit`: milliseconds for a try.
   * @returns {Promise<{code: number, message: string, json: any, unreachable?: boolean}>}
   */
  request(method, path, body, how = NONE) {
    return new Promise((resolve) => this.send(method, path, body === undefined ? undefined : JSON.stringify(body), how, resolve));
  }

  /**
   * The same with the JSON of the body, without a promise.
   * @param {string|undefined} text
   * @param {function(object): void} done Gets the reply.
   */
  send(method, path, text, how, done) {
    const pool = this.#control[this.#name];
    if (how.server) new Asking(this.#control, pool, how.server, method, path, text, how, done).go();
    else if (pool.known) this.#begin(pool, method, path, text, how, done);
    else pool.ready().then(() => this.#begin(pool, method, path, text, how, done));
  }

  #begin(pool, method, path, text, how, done) {
    const server = pool.pick();
    if (server) new Asking(this.#control, pool, server, method, path, text, how, done).go();
    else done({ code: 503, message: `no ${this.#which} server is named`, json: {}, unreachable: true, unsent: true });
  }
}

/** A request on its way: the host calls `done` or `failed` of it. */
class Asking {
  constructor(control, pool, server, method, path, text, how, told) {
    this.control = control;
    this.pool = pool;
    this.server = server;
    this.method = method;
    this.path = path;
    this.text = text;
    this.how = how;
    this.told = told;
    this.attempt = 0;
  }

  go() {
    const { control, server, method, path, text, how } = this;
    control.send(server, method, path, text, how.limit ?? control.times.trylimit, this);
  }

  done(status, body) {
    this.told(new Reply(status, body));
  }

  failed(error) {
    const { control, pool, server, how, attempt } = this;
    const { tryagain } = control.times;
    const harmless = error.unsent === true || !how.once;
    if (harmless && attempt < tryagain.length && !how.probe) {
      this.attempt += 1;
      control.host.timer(tryagain[attempt], () => this.go());
      return;
    }
    if (!how.probe) pool.missed(server);
    const message = `${pool.which} server ${server.host}:${server.port} not reached: ${error.message}`;
    this.told({ code: 503, message, json: {}, unreachable: true, unsent: error.unsent === true });
  }
}

/**
 * How requests go out on a host: its `request.send`, if it has one, else its `request`.
 * @returns {function(object, string, string, string|undefined, number, {done: Function, failed: Function}): void} Server, method, path,
 *   body, milliseconds; then `done(status, body)` or `failed(error)` of the last is called.
 */
Peer.sender = (host) =>
  host.request.send ??
  ((server, method, path, body, timeoutms, asker) => {
    const { host: name, port } = server;
    const headers = server.headers[body === undefined ? 0 : 1];
    host.request({ host: name, port, method, path, headers, body, timeoutms }).then(
      (answer) => asker.done(answer.status, answer.body),
      (error) => asker.failed(error),
    );
  });

module.exports = Peer;
