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
    if (!how.server && !pool.known) {
      pool.ready().then(() => this.#begin(pool, method, path, text, how, done));
    } else this.#begin(pool, method, path, text, how, done);
  }

  #begin(pool, method, path, text, how, done) {
    const server = how.server ?? pool.pick();
    if (server) this.#try(pool, server, method, path, text, how, done, 0);
    else done({ code: 503, message: `no ${this.#which} server is named`, json: {}, unreachable: true, unsent: true });
  }

  #try(pool, server, method, path, text, how, done, attempt) {
    const control = this.#control;
    control.send(
      server,
      method,
      path,
      text,
      how.limit ?? control.times.trylimit,
      (status, body) => done(new Reply(status, body)),
      (error) => {
        const { tryagain } = control.times;
        const harmless = error.unsent === true || !how.once;
        if (!harmless || attempt === tryagain.length || how.probe) {
          const message = `${this.#which} server ${server.host}:${server.port} not reached: ${error.message}`;
          if (!how.probe) pool.missed(server);
          done({ code: 503, message, json: {}, unreachable: true, unsent: error.unsent === true });
        } else control.host.timer(tryagain[attempt], () => this.#try(pool, server, method, path, text, how, done, attempt + 1));
      },
    );
  }
}

/**
 * How requests go out on a host: its `request.send`, if it has one, else its `request`.
 * @returns {function(object, string, string, string|undefined, number, Function, Function): void} Server, method, path, body, milliseconds;
 *   then `(status, body)` or `(error)` is called.
 */
Peer.sender = (host) =>
  host.request.send ??
  ((server, method, path, body, timeoutms, done, failed) => {
    const { host: name, port } = server;
    const headers = server.headers[body === undefined ? 0 : 1];
    host.request({ host: name, port, method, path, headers, body, timeoutms }).then((answer) => done(answer.status, answer.body), failed);
  });

module.exports = Peer;
