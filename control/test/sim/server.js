/**
 * What both simulated servers are made of: an HTTP server on a free port of 127.0.0.1 that notes what it is asked.
 *
 * Shape:  `log` holds `{method, path, body}` of each request; `until` waits for one that fits, past or to come.
 * Units:  milliseconds.
 * Errors: `until` throws after 5 s, with the log.
 */
"use strict";

const PATIENCE_MS = 5000;

class Server {
  #waiting = [];
  #listener;

  constructor(host) {
    this.host = host;
    this.log = [];
    /** Path prefix → answer that is given instead of the usual one. */
    this.refusals = new Map();
  }

  async start() {
    this.#listener = await this.host.listen({ host: "127.0.0.1", port: 0 }, async (request) => this.#handle(request));
    this.port = this.#listener.port;
    return this;
  }

  async stop() {
    await this.#listener?.close();
    this.#listener = undefined;
  }

  async #handle({ method, path, body }) {
    // Looks at our health are not what scenarios are about; `ready` and `report` may be set by one.
    if (method === "GET" && path === "/ready") return { status: this.ready ?? 200, body: "{}" };
    if (method === "GET" && path === "/status") return { status: 200, body: JSON.stringify(this.report ?? {}) };
    if (method === "GET" && path.startsWith("/dialog?")) return { status: 200, body: JSON.stringify({ calls: [...(this.calls?.keys() ?? [])] }) };
    // Nor is what control asks when it starts.
    if (method === "GET" && path === "/channel") return { status: 200, body: JSON.stringify(this.reply({ method, path }).json ?? {}) };
    const entry = { method, path, body: body ? JSON.parse(body) : undefined };
    this.log.push(entry);
    const refusal = [...this.refusals].find(([prefix]) => `${method} ${path}`.startsWith(prefix));
    const answer = refusal ? await refusal[1](entry) : await this.reply(entry);
    this.#waiting = this.#waiting.filter((look) => !look());
    return { status: answer.status ?? 200, headers: { "content-type": "application/json" }, body: JSON.stringify(answer.json ?? {}) };
  }

  /** Looks again at what is waited for. */
  stir() {
    this.#waiting = this.#waiting.filter((look) => !look());
  }

  /** The first request of "METHOD /path" for which `fits` is true. */
  async request(start, fits = () => true) {
    return this.until(() => this.log.find((entry) => `${entry.method} ${entry.path}`.startsWith(start) && fits(entry.body ?? {})), start);
  }

  count(start) {
    return this.log.filter((entry) => `${entry.method} ${entry.path}`.startsWith(start)).length;
  }

  until(condition, what) {
    return new Promise((resolve, reject) => {
      const found = condition();
      if (found) return resolve(found);
      const cancel = this.host.timer(PATIENCE_MS, () => {
        this.#waiting = this.#waiting.filter((one) => one !== look);
        reject(new Error(`waited in vain for ${what}; asked so far:\n${this.log.map((entry) => `${entry.method} ${entry.path} ${JSON.stringify(entry.body)}`).join("\n")}`));
      });
      const look = () => {
        const value = condition();
        if (!value) return false;
        cancel();
        resolve(value);
        return true;
      };
      this.#waiting.push(look);
      return undefined;
    });
  }
}

module.exports = Server;
