/**
 * Channels that may be open although no answer said so, or that could not be closed: given back.
 *
 *   POST /channel {id}, DELETE ─► no answer in time ─► after each of `times.reclaim`: GET /channel?id= ─► there? DELETE
 *
 * Shape:  we give each channel its `id`, so that one whose uuid we never heard can be found.
 * Errors: a server that cannot be asked is asked at the next look; after the last one its own rule for idle channels is left.
 */
"use strict";

/** It was slow once: it gets time. */
const LOOK_LIMIT_MS = 10_000;

class Reclaim {
  #control;
  #timers = new Set();
  #looking = 0;

  /** @param {object} control The `projectcontrol` object. */
  constructor(control) {
    this.#control = control;
  }

  /** Looks for this channel until it is found, or the looks are over. */
  watch(server, id, [wait, ...more] = this.#control.times.reclaim) {
    if (wait === undefined) return;
    const cancel = this.#control.host.timer(wait, () => {
      this.#timers.delete(cancel);
      this.#control.track(this.#look(server, id).then((found) => found || this.watch(server, id, more)));
    });
    this.#timers.add(cancel);
  }

  async #look(server, id) {
    this.#looking += 1;
    try {
      return await this.#giveback(server, id);
    } finally {
      this.#looking -= 1;
    }
  }

  async #giveback(server, id) {
    const { rtppeer } = this.#control;
    const found = await rtppeer.request("GET", `/channel?id=${encodeURIComponent(id)}`, undefined, { server, probe: true, limit: LOOK_LIMIT_MS });
    const channels = (found.json?.channels ?? []).filter((one) => one.id === id);
    for (const { uuid } of channels) await rtppeer.request("DELETE", `/channel/${uuid}`, undefined, { server, limit: LOOK_LIMIT_MS });
    return channels.length > 0;
  }

  /** @returns {boolean} Whether there are looks under way or to come. */
  get waiting() {
    return this.#timers.size + this.#looking > 0;
  }

  /** No more looks. */
  close() {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
}

module.exports = Reclaim;
