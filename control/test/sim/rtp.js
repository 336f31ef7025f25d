/**
 * An RTP server as control sees it: channels that are opened, aimed, mixed and closed.
 *
 * Shape:  `channels` holds `{uuid, port, target, mix, playing, gain, mute, speaks}` of each open channel; `most` can be made to run out.
 *         How loud one `speaks` is for a scenario to say.
 */
"use strict";

const Server = require("./server.js");

class Rtp extends Server {
  #numbers = 0;

  constructor(host) {
    super(host);
    this.channels = new Map();
    this.most = 1000;
    this.opened = 0;
  }

  /** The process dies and another takes its place: what it held is gone. */
  restart() {
    this.channels.clear();
    this.report = { uptime: 0 };
  }

  /** Tells control an event of a channel. */
  async event(uuid, event) {
    const channel = this.channels.get(uuid);
    channel.seq += 1;
    const body = JSON.stringify({ seq: channel.seq, uuid, ...event });
    return this.host.request({ host: "127.0.0.1", port: this.controlport, method: "PUT", path: `/channel/${uuid}`, headers: {}, body, timeoutms: 5000 });
  }

  /** Whether these two channels hear each other. */
  mixed(a, b) {
    const group = this.channels.get(a)?.mix;
    return group !== undefined && group === this.channels.get(b)?.mix;
  }

  reply({ method, path, body }) {
    const [place, query = ""] = path.split("?");
    const [, kind, uuid, verb, second] = place.split("/");
    if (kind !== "channel") return { status: 404 };
    if (method === "POST" && !uuid) return this.#open(body);
    if (method === "GET" && !uuid) return { json: { channels: this.#list(decodeURIComponent(query.replace("id=", ""))) } };
    const channel = this.channels.get(uuid);
    if (!channel) return { status: 404, json: { error: "channel_not_open", detail: uuid } };
    if (method === "DELETE" && !verb) {
      this.channels.delete(uuid);
      return { json: { in: { count: 0 }, out: { count: 0 } } };
    }
    switch (verb) {
      case undefined:
        if (method === "GET") return { json: { in: { count: 7 }, group: this.#group(channel.mix) } };
        channel.target = body;
        return {};
      case "mix": {
        const other = this.channels.get(second);
        if (!other) return { status: 404, json: { error: "channel_not_open", detail: second } };
        channel.mix = other.mix ??= Symbol(second);
        [channel.mixed, other.mixed] = [second, uuid];
        return {};
      }
      case "unmix":
        channel.mix = undefined;
        return {};
      case "play":
        channel.playing = method === "PUT" ? body : undefined;
        return { json: { play: 1 } };
      case "gain":
        if (body.group !== undefined && !channel.mix) return { status: 409, json: { error: "not_mixed", detail: uuid } };
        channel.gain = { ...channel.gain, ...body };
        return {};
      case "mute":
        channel.mute = method === "DELETE" ? undefined : { ...channel.mute, ...(Object.keys(body).length > 0 ? body : { in: true, out: true }) };
        return {};
      case "echo":
        channel.echo = true;
        return {};
      default:
        return {};
    }
  }

  #list(wanted) {
    const all = [...this.channels.values()].map(({ uuid, id, port, mixed }) => ({ uuid, id, port, ip: "127.0.0.1", mix: mixed ?? null }));
    return wanted === "" ? all : all.filter(({ id }) => id === wanted);
  }

  #group(mix) {
    const members = [...this.channels.values()].filter((one) => mix && one.mix === mix);
    const speakers = members.filter(({ speaks }) => speaks).sort((a, b) => b.speaks - a.speaks);
    return speakers.length > 0 ? { members: members.length, speakers: speakers.map(({ uuid }) => uuid) } : undefined;
  }

  #open(body) {
    if (body?.ip === "ipv6" && !this.ipv6) return { status: 422, json: { error: "no_such_address", detail: "no address of IPv6" } };
    if (this.channels.size >= this.most) return { status: 503, json: { error: "pool_empty", detail: "no free channel" } };
    this.#numbers += 1;
    this.opened += 1;
    const uuid = `${this.name ?? "channel"}-${this.#numbers}`;
    const port = 10000 + this.#numbers * 2;
    this.channels.set(uuid, { uuid, id: body?.id, port, near: body?.near, control: body?.control, jitter: body?.jitter, seq: 0 });
    return { json: { uuid, channel: uuid, ip: body?.ip === "ipv6" ? "::1" : "127.0.0.1", port, load: this.headroom === undefined ? undefined : { headroom: this.headroom }, channels: { active: this.channels.size, available: this.most - this.channels.size } } };
  }
}

module.exports = Rtp;
