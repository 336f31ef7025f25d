/**
 * Whether what we believe of calls is still so: the SIP server is asked.
 *
 *   nothing heard for `times.audit` ─► GET /dialog/{callid} ─► 200: taken as a snapshot   404: the call is over, its end was lost
 *   SIP server restarted ─► all its calls are asked for          we were restarted ─► GET /dialog?control=… ─► its calls are taken over
 *
 * Shape:  a quiet call is asked for after 1, 2, 4 … 16 times `times.audit`; 32 questions at once at most.
 * Errors: a server that cannot be asked changes nothing; the next look asks again.
 */
"use strict";

const AT_ONCE = 32;
const SLOWER_MAX = 16;

class Audit {
  #control;
  #stop;

  constructor(control) {
    this.#control = control;
  }

  /** Begins to look for calls that have been quiet too long. */
  watch() {
    const again = () => {
      this.#stop = this.#control.host.timer(this.#control.times.audit / 2, () => this.#sweep().finally(() => this.#stop && again()));
    };
    again();
  }

  /** Ends it. */
  close() {
    this.#stop?.();
    this.#stop = undefined;
  }

  #sweep() {
    const { host, table, times } = this.#control;
    const now = host.now();
    const quiet = table.list().filter((call) => now - call.quiet.since > times.audit * call.quiet.patience);
    for (const call of quiet) call.quiet = { since: now, patience: Math.min(call.quiet.patience * 2, SLOWER_MAX) };
    return this.#each(quiet, (call) => this.check(call));
  }

  /** All calls of a SIP server, which has been restarted. */
  server(server) {
    return this.#each(this.#control.table.list().filter(({ dialog }) => dialog.server === server || dialog.server === undefined), (call) => this.check(call));
  }

  /** One call. @returns {Promise<void>} When what the server knows is known here. */
  async check(call) {
    if (call.hungup || call.callinfo.callid === undefined) return;
    const reply = await this.#ask(call.callinfo.callid, call.dialog.server);
    if (reply.code === 200) call.progress.handle(call, reply.json);
    // Its last event may be on its way.
    else if (reply.code === 404) call.after(this.#control.times.straggler, () => call.end({ code: 0, status: "not known to the SIP server any more" }));
  }

  /** The calls that a SIP server has for us and we do not know. @returns {Promise<number|undefined>} How many were taken over; `undefined` if not all could be asked for. */
  async learn(server) {
    const { table, sippeer } = this.#control;
    const url = this.#control.urlfor(server);
    const reply = await sippeer.request("GET", `/dialog?control=${encodeURIComponent(url)}`, undefined, { server, probe: true });
    const unknown = (reply.json?.calls ?? []).filter((callid) => !table.get(callid));
    const infos = [];
    let all = reply.code === 200;
    await this.#each(unknown, async (callid) => {
      const found = await this.#ask(callid, server);
      if (found.code === 200) infos.push(found.json);
      else if (found.code !== 404) all = false;
    });
    for (const info of infos) table.snapshot(info, server);
    return all ? infos.length : undefined;
  }

  #ask(callid, server) {
    return this.#control.sippeer.request("GET", `/dialog/${encodeURIComponent(callid)}`, undefined, { server, probe: true });
  }

  async #each(list, work) {
    const waiting = [...list];
    const worker = async () => {
      while (waiting.length > 0) await work(waiting.shift());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
}

module.exports = Audit;
