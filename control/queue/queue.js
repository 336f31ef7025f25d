/**
 * One queue: callers wait in order, agents are rung for the first of them.
 *
 *   queue(call) ─► position n ─► … ─► position 1 ─► the agent idle longest rings ─► answered: delivered, state `talking`
 *                     │ announced, music            └─ `ringms` in vain: the next agent
 *                     └─ full, or `maxwaitms` over ─► `overflow(call, why)`; hang-up ─► state `abandoned`
 *
 * Shape:  settings are fields, read when needed. Without agents the script takes calls out itself and says `delivered(call)`.
 * Units:  milliseconds; positions from 1.
 * Errors: of callbacks, reported with the call's id.
 */
"use strict";

const Agent = require("./agent.js");

class Queue {
  #changed;
  #agents = new Map();
  #places = new Map();

  /** @param {string} name @param {Function} changed Told each call whose place has changed. */
  constructor(name, changed) {
    this.#changed = changed;
    /** Its name. */
    this.name = name;
    /** Calls that wait, the first is next. */
    this.calls = [];
    /** Most that may wait. */
    this.max = 1000;
    /** Longest wait before `overflow`; 0 is no limit. */
    this.maxwaitms = 0;
    /** How long an agent's phone rings. */
    this.ringms = 15_000;
    /** Rest of an agent after a call. */
    this.wrapupms = 0;
    /** Pause of an agent that did not answer. */
    this.retryms = 5000;
    /** Music while waiting: sound soup, `call.moh` if not set. */
    this.moh = undefined;
    /** `(position, call) => soup`, played to a caller whose place has changed. */
    this.announce = undefined;
    /** `(call, why)` with why `full` or `timeout`; without it such a call is ended with 480. */
    this.overflow = undefined;
    /** `(call, child)` once an agent has answered. */
    this.ondelivered = undefined;
  }

  /** @returns {Agent[]} */
  get agents() {
    return [...this.#agents.values()];
  }

  /** Adds somebody who takes calls. @param {object|string} to What `call.newcall` takes. @returns {Agent} */
  addagent(to) {
    const agent = new Agent(to);
    if (!this.#agents.has(agent.key)) this.#agents.set(agent.key, agent);
    this.dispatch();
    return this.#agents.get(agent.key);
  }

  /** Takes an agent out; a call they have goes on. */
  removeagent(to) {
    return this.#agents.delete(Agent.key(to));
  }

  /**
   * Puts a call at the end of the queue, answered if it is not yet.
   * @returns {Promise<boolean>} Whether it waits, or has waited; `false` if it overflowed at once or could not be answered.
   */
  async queue(call) {
    if (this.#places.has(call)) return true;
    if (this.calls.length >= this.max) {
      this.#overflow(call, "full");
      return false;
    }
    call.stays = true;
    call.metadata.queue = { name: this.name, state: "waiting", position: this.calls.length + 1, since: call.control.host.now() };
    call.history = `Call queued at position ${call.metadata.queue.position}`;
    this.calls.push(call);
    const limit = this.maxwaitms > 0 ? call.after(this.maxwaitms, () => this.#timeout(call)) : undefined;
    this.#places.set(call, { limit });
    call.onhangup = () => this.#abandoned(call);
    this.#changed(call);
    if (!(await call.answer())) return false;
    this.#entertain(call);
    this.dispatch();
    return true;
  }

  /** A call was taken out and talks. */
  delivered(call) {
    if (!this.#leave(call, "talking")) return;
    call.stays = false;
    call.history = `Call delivered from queue ${this.name}`;
  }

  /** Takes a call out; it goes on with the script. */
  remove(call) {
    if (this.#leave(call, "removed")) call.stays = false;
  }

  /** Gives waiting calls to free agents, the one idle longest first. */
  dispatch() {
    for (const call of [...this.calls]) {
      const [agent] = this.agents.filter((one) => one.free).sort((a, b) => a.since - b.since);
      if (!agent) return;
      if (this.#places.get(call)?.ringing || !call.answered) continue;
      this.#offer(call, agent);
    }
  }

  async #offer(call, agent) {
    const { host } = call.control;
    const place = this.#places.get(call);
    place.ringing = true;
    agent.enter("ringing", host.now());
    const { to } = agent;
    const child = call.newcall(typeof to === "object" && to.to ? to : { to });
    child.onhangup = () => this.#released(call, agent, child);
    const answered = await child.waitforanswer(this.ringms);
    place.ringing = false;
    if (!answered) {
      child.hangup();
      return;
    }
    agent.enter("talking", host.now());
    agent.taken += 1;
    this.delivered(call);
    if (this.ondelivered) call.control.invoke(this.ondelivered, call, "ondelivered", child);
  }

  /** An agent's call is over, or did not come to be. */
  #released(call, agent, child) {
    const { control } = call;
    const rest = child.answered ? this.wrapupms : this.retryms;
    agent.enter(child.answered ? "wrapup" : "pausing", control.host.now());
    // Not a timer of the call: it may be over before the agent has rested.
    control.host.timer(rest, () => {
      agent.enter("free", agent.since);
      control.guarded(() => this.dispatch(), `queue ${this.name}`);
    });
    // The others need not wait for that rest.
    control.host.defer(() => control.guarded(() => this.dispatch(), `queue ${this.name}`));
  }

  #abandoned(call) {
    if (this.#leave(call, "abandoned")) call.history = "Call abandoned from queue";
  }

  #timeout(call) {
    if (this.#leave(call, "timeout")) this.#overflow(call, "timeout");
  }

  #overflow(call, why) {
    call.stays = false;
    call.history = `Queue ${this.name}: ${why}`;
    for (const child of call.metadata.family.children) if (!child.answered) child.hangup();
    if (this.overflow) call.control.invoke(this.overflow, call, "overflow", why);
    else call.hangup({ code: 480 });
  }

  #leave(call, state) {
    const place = this.#places.get(call);
    if (!place) return false;
    place.limit?.();
    this.#places.delete(call);
    call.metadata.queue.state = state;
    const at = this.calls.indexOf(call);
    this.calls.splice(at, 1);
    for (const [index, one] of this.calls.entries()) {
      if (one.metadata.queue.position === index + 1) continue;
      one.metadata.queue.position = index + 1;
      one.history = `Call queue position changed to ${index + 1}`;
      this.#changed(one);
      if (one.answered) this.#entertain(one);
    }
    return true;
  }

  /** The place of a call is announced; then music. */
  #entertain(call) {
    if (!this.#places.has(call)) return;
    const soup = this.announce?.(call.metadata.queue.position, call);
    const wait = soup ? call.playtoend(soup, 60_000) : Promise.resolve();
    wait.then(() => {
      const waiting = this.#places.has(call) && call.metadata.family.children.every((one) => !one.answered);
      if (waiting && !call.metadata.channel?.playing) call.music(this.moh ?? call.moh);
    });
  }
}

module.exports = Queue;
