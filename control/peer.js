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
  async request(method, path, body, how = {}) {
    const pool = this.#control[this.#name];
    if (!how.server && !pool.known) await pool.ready();
    const server = how.server ?? pool.pick();
    if (!server) return { code: 503, message: `no ${this.#which} server is named`, json: {}, unreachable: true, unsent: true };
    const { trylimit, tryagain } = this.#control.times;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = server.headers[text === undefined ? 0 : 1];
    const wanted = { host: server.host, port: server.port, method, path, headers, body: text, timeoutms: how.limit ?? trylimit };
    for (let attempt = 0; ; attempt += 1) {
      try {
        return reply(await this.#control.host.request(wanted));
      } catch (error) {
        const harmless = error.unsent === true || !how.once;
        if (!harmless || attempt === tryagain.length || how.probe) {
          const message = `${this.#which} server ${server.host}:${server.port} not reached: ${error.message}`;
          if (!how.probe) pool.missed(server);
          return { code: 503, message, json: {}, unreachable: true, unsent: error.unsent === true };
        }
        await this.#control.sleep(tryagain[attempt]);
      }
    }
  }
}

function reply({ status: code, body }) {
  let json = {};
  try {
    if (body && body !== "{}") json = JSON.parse(body);
  } catch {
    json = {};
  }
  return { code, message: json?.detail ?? json?.error ?? `HTTP ${code}`, json };
}

module.exports = Peer;
