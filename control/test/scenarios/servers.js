/** Scenarios of many servers, servers that die and come back, and of control's own restart. */
"use strict";

const { dial, talk } = require("./basic.js");
const { answered } = require("./features.js");

/** Kills a server for good: it does not answer, and has nothing. */
async function kill(server) {
  await server.stop();
  server.dead = true;
  server.channels?.clear();
}

/** Two looks in vain. */
async function look(world, times = 2) {
  for (let n = 0; n < times; n += 1) await Promise.all([world.control.rtppool.look(), world.control.sippool.look()]);
}

/** Whether two calls hear each other on one of these servers. */
function together(rtps, a, b) {
  return rtps.some((rtp) => rtp.mixed(a.metadata.channel?.uuid, b.metadata.channel?.uuid));
}

/** Two answered calls, each on a server of its own. */
async function apart(world, one, two) {
  const only = async (rtp, other) => {
    [rtp.ready, rtp.report] = [200, {}];
    [other.ready, other.report] = [503, { draining: true }];
    await look(world);
    world.control.callbacks.clear();
    return answered(world);
  };
  const { call: second } = await only(two, one);
  const { call, callid } = await only(one, two);
  two.ready = 200;
  await look(world);
  return { call, callid, second };
}

const scenarios = [
  ["of two RTP servers the one with more headroom is taken, and both legs of a call are on one", async (world) => {
    const { control, check } = world;
    const [poor, rich] = await world.morertp(2);
    poor.report = { load: { headroom: 0.2 }, uptime: 10 };
    rich.report = { load: { headroom: 0.9 }, uptime: 10 };
    // Both picks differ each time.
    let turn = 0;
    control.random = () => (turn += 0.5) % 1;
    await look(world);
    for (let n = 0; n < 4; n += 1) {
      control.callbacks.clear();
      const { a, b } = await dial(world);
      await world.sip.answer(b);
      await world.until(() => together([rich], world.call(a), world.call(b)), "the mix");
      for (const leg of [a, b]) await world.sip.hangup(leg);
    }
    check.equal([poor.opened, rich.opened], [0, 8]);
    const { servers } = (await world.ask("GET", "/status")).json;
    check.equal(servers.rtp.map(({ state, placed, headroom }) => [state, placed > 0, headroom <= 0.9]), [["up", false, true], ["up", true, true]]);
    check.equal(JSON.stringify(servers).includes("token"), false);
  }],

  ["a server without a channel, or draining, sends the call to the next", async (world) => {
    const { control, check } = world;
    const [full, draining, good] = await world.morertp(3);
    full.most = 0;
    draining.ready = 503;
    draining.report = { draining: true };
    await look(world);
    check.equal(control.rtppool.servers.map(({ state }) => state), ["up", "draining", "up"]);
    for (let n = 0; n < 6; n += 1) {
      control.callbacks.clear();
      await answered(world);
    }
    check.equal([full.opened, draining.opened, good.opened], [0, 0, 6]);
  }],

  ["a standby server is taken only when the others are not there", async (world) => {
    const { control, check } = world;
    const [first, standby] = await world.morertp(2);
    control.rtp = [control.rtp[0], { host: "127.0.0.1", port: standby.port, standby: true }];
    await answered(world);
    check.equal([first.opened, standby.opened], [1, 0]);
    first.ready = 503;
    first.report = { draining: true };
    await look(world);
    control.callbacks.clear();
    await answered(world);
    check.equal([first.opened, standby.opened], [1, 1]);
  }],

  ["legs on two servers are linked by a pair of channels, which go with the call", async (world) => {
    const { control, sip, check } = world;
    const [one, two] = await world.morertp(2);
    const { call, callid, second } = await apart(world, one, two);
    check.equal(await call.mix(second), true);
    const [a, b] = [call.metadata.channel, second.metadata.channel];
    const [x, y] = [[...one.channels.values()].find(({ uuid }) => uuid !== a.uuid), [...two.channels.values()].find(({ uuid }) => uuid !== b.uuid)];
    check.equal([x.target.port, y.target.port], [y.port, x.port]);
    check.equal([one.mixed(a.uuid, x.uuid), two.mixed(b.uuid, y.uuid), x.near, x.control], [true, true, a.uuid, undefined]);
    check.equal([await call.mix(second), one.channels.size, two.channels.size], [true, 2, 2], "mixing again changes nothing");
    await call.unmix();
    check.equal([one.channels.size, two.channels.size], [1, 1]);
    await second.mix(call);
    await sip.hangup(callid);
    await world.until(() => one.channels.size + two.channels.size === 1, "three closed");
    check.equal([second.hungup, control.errors], [false, 0]);
  }],

  ["legs on two servers that cannot be linked: one of them moves to the other's", async (world) => {
    const { sip, check } = world;
    const [one, two] = await world.morertp(2);
    const { call, second } = await apart(world, one, two);
    two.most = 1;
    one.most = 2;
    check.equal(await second.mix(call), true);
    check.ok(one.mixed(call.metadata.channel.uuid, second.metadata.channel.uuid), "both on the first");
    check.equal([one.channels.size, two.channels.size], [2, 0]);
    check.equal((await sip.request("PUT /dialog/invite")).body.callid, second.id);
  }],

  ["three RTP servers, one killed: its calls are moved by re-INVITE and talk on", async (world) => {
    const { control, sip, check } = world;
    const rtps = await world.morertp(3);
    control.moh = { files: [{ wav: "music.wav" }] };
    const pairs = [];
    control.onnewcall = (call) => call.newcall({ to: call.destination });
    for (let n = 0; n < 6; n += 1) {
      const a = await sip.incoming({ to: `200${n}` });
      const b = (await sip.outgoing(`200${n}`)).callid;
      await sip.answer(b);
      await world.until(() => together(rtps, world.call(a), world.call(b)), "the mix");
      pairs.push([world.call(a), world.call(b)]);
    }
    const victim = rtps.find(({ port }) => port === pairs[0][0].metadata.channel.control.port);
    const moved = pairs.flat().filter((call) => call.metadata.channel.control.port === victim.port);
    await kill(victim);
    await look(world);
    await world.until(() => moved.every((call) => call.metadata.channel && call.metadata.channel.control.port !== victim.port), "moved");
    await world.until(() => pairs.every(([a, b]) => together(rtps, a, b)), "mixed again");
    check.equal(sip.log.filter(({ method, path }) => method === "PUT" && path === "/dialog/invite").map(({ body }) => body.callid).sort(), moved.map((call) => call.id).sort());
    const [first] = moved;
    const { body } = sip.log.find((entry) => entry.method === "PUT" && entry.path === "/dialog/invite" && entry.body.callid === first.id);
    check.equal([body.sdp.m[0].port, body.sdp.o.sessionversion], [first.metadata.channel.port, 1]);
    const target = rtps.map((rtp) => rtp.channels.get(first.metadata.channel.uuid)?.target).find(Boolean);
    check.equal(target.port, first.originator ? 30000 : 20000);
    await world.until(() => control.rescued === moved.length, "the rescue counted");
    check.equal([control.rescued, control.table.size, pairs.flat().some((call) => call.hungup)], [moved.length, 12, false]);
  }],

  ["a conference of three goes on when its server is killed", async (world) => {
    const { control, sip } = world;
    const rtps = await world.morertp(2);
    control.onnewcall = (call) => control.conference("x").add(call);
    for (let n = 0; n < 3; n += 1) await sip.incoming();
    const { members } = control.conference("x");
    await world.until(() => control.conference("x").members.length === 3, "three members");
    await kill(rtps.find(({ port }) => port === control.conference("x").members[0].metadata.channel.control.port));
    await look(world);
    const all = () => control.conference("x").members;
    await world.until(() => all().every((call) => call.metadata.channel && !call.metadata.channel.closed), "moved");
    await world.until(() => together(rtps, all()[0], all()[1]) && together(rtps, all()[1], all()[2]), "one room again");
    world.check.equal(members.length, 0);
  }],

  ["the only RTP server restarts: its calls get new channels there", async (world) => {
    const { control, rtp, check } = world;
    const { a, b, one } = await talk(world);
    rtp.report = { uptime: 100 };
    await look(world);
    rtp.restart();
    await look(world);
    await world.until(() => control.rescued === 2, "both calls moved");
    check.ok(together([rtp], world.call(a), world.call(b)), "mixed again");
    check.ok(world.call(a).metadata.channel.uuid !== one, "another channel");
  }],

  ["the only RTP server is silent for a while: nothing is moved, for media may flow", async (world) => {
    const { control, rtp, check } = world;
    await talk(world);
    rtp.ready = 200;
    const { port } = rtp;
    control.rtp.port = 1;
    await look(world, 3);
    control.rtp.port = port;
    await look(world);
    check.equal([control.rescued, control.table.size], [0, 2]);
  }],

  ["a server that shuts down tells, and its calls go elsewhere", async (world) => {
    const { control, check } = world;
    const rtps = await world.morertp(2);
    const { call, uuid } = await answered(world);
    const here = rtps.find((rtp) => rtp.channels.has(uuid));
    await here.event(uuid, { action: "close", reason: "shutdown", stats: {} });
    here.channels.delete(uuid);
    await world.until(() => call.metadata.channel && call.metadata.channel.uuid !== uuid, "the new channel");
    check.equal([call.hungup, control.rtppool.at(call.metadata.channel.control).state], [false, "up"]);
  }],

  ["a name of RTP servers is resolved, and again later", async (world) => {
    const { control, rtp, check } = world;
    let addresses = ["127.0.0.1"];
    control.host.resolve = async () => addresses;
    control.rtp = { host: "rtp.headless.example", port: rtp.port };
    control.times.resolve = 0;
    await answered(world);
    check.equal(control.rtppool.servers.map(({ key }) => key), [`127.0.0.1:${rtp.port}`]);
    addresses = ["127.0.0.1", "127.0.0.2"];
    await world.turn();
    await look(world, 1);
    check.equal(control.rtppool.servers.length, 2);
    control.host.resolve = () => Promise.reject(new Error("no answer"));
    await world.turn();
    await look(world, 1);
    check.equal(control.rtppool.servers.length, 2, "what was known stays");
  }],

  ["a server that its name no longer stands for keeps its calls, and is looked at until they are over", async (world) => {
    const { control, check } = world;
    const rtps = await world.morertp(2);
    const [one, two] = rtps.map(({ port }) => ({ host: "127.0.0.1", port }));
    control.times.healthlimit = 5000;
    control.rtp = [one];
    const { call } = await answered(world);
    control.rtp = [two];
    await look(world, 1);
    const states = async () => (await world.ask("GET", "/status")).json.servers.rtp.map(({ port, state, channels }) => [port, state, channels]);
    check.equal(await states(), [[two.port, "up", 0], [one.port, "leaving", 1]]);
    control.callbacks.clear();
    const { call: next, callid } = await answered(world);
    check.equal(next.metadata.channel.control, two);
    // It dies before its call is over: the call is moved.
    await kill(rtps[0]);
    await look(world);
    await world.until(() => control.rescued === 1, "the call moved");
    check.equal([call.hungup, call.metadata.channel.control], [false, two]);
    await look(world, 1);
    check.equal((await states()).length, 1, "forgotten");
    await world.sip.hangup(callid);
  }],

  ["two SIP servers: both know the directory, a call stays with its own, and one that is gone is passed over", async (world) => {
    const { control, check } = world;
    const [first, second] = await world.moresip();
    check.equal(await control.directory("bling.babblevoice.com", [{ username: "1003", secret: "x" }]), true);
    check.equal([first, second].map((sip) => sip.directory.get("bling.babblevoice.com").control.endsWith(`/from/127.0.0.1%3A${sip.port}`)), [true, true]);
    control.onnewcall = (call) => call.newcall({ to: "1003" });
    const a = await second.incoming({ callid: "on-the-second" });
    const b = (await second.outgoing("1003")).callid;
    await second.answer(b);
    await second.request("PUT /dialog/answer", ({ callid }) => callid === a);
    check.equal(first.count("POST /dialog/invite"), 0);
    await second.hangup(a);
    await kill(first);
    await look(world);
    const call = control.newcall({ from: "1000@bling.babblevoice.com", to: "1003@bling.babblevoice.com" });
    await world.until(() => call.callinfo.callid, "the call placed");
    check.equal(call.dialog.server.port, second.port);
    await world.until(() => !world.call(b), "the end of the other");
    await second.hangup(call.id);
  }],

  ["a SIP server that was restarted is told its directory again, and its lost calls end here", async (world) => {
    const { control, sip, rtp, check } = world;
    await control.directory("bling.babblevoice.com", [{ username: "1003", secret: "x" }]);
    const { a, b } = await talk(world);
    sip.report = { uptime: 50 };
    await look(world);
    sip.report = { uptime: 1 };
    sip.directory.clear();
    sip.calls.delete(a);
    sip.calls.delete(b);
    await look(world, 1);
    await world.until(() => sip.directory.size === 1 && control.table.size === 0, "directory there, calls gone");
    await rtp.until(() => rtp.channels.size === 0, "channels closed");
    check.equal(control.errors, 0);
  }],

  ["a lost last event: the quiet call is asked for and ends; a lost answer is caught up with", async (world) => {
    const { control, sip, check } = world;
    const { a, b } = await dial(world);
    Object.assign(sip.calls.get(b), { answered: true, seq: 5, event: "answered" });
    await control.audit.check(world.call(b));
    await world.until(() => world.call(a).answered, "the caller answered");
    sip.calls.delete(b);
    control.times.audit = 10;
    control.audit.close();
    control.audit.watch();
    await world.until(() => !world.call(b), "the end");
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a);
    check.equal(control.errors, 0);
  }],

  ["control restarted in mid-call: it takes its calls over, with channels and who talks to whom", async (world) => {
    const { control, sip, rtp, check, host } = world;
    const { a, b, one } = await talk(world);
    const inbound = sip.calls.get(a);
    inbound.sdp.us = control.table.get(a).session.local;
    await control.idle();
    await control.stop();
    const other = new control.constructor({ ...host, guard: undefined, defaults: {}, log: () => undefined });
    Object.assign(other.times, control.times);
    Object.assign(other.sip, { port: sip.port });
    Object.assign(other.rtp, { port: rtp.port });
    other.us.port = 0;
    other.onnewcall = () => world.errors.push("onnewcall must not run");
    await other.run();
    await other.idle();
    sip.controlport = rtp.controlport = other.us.port;
    const call = other.table.get(a);
    check.equal([other.table.size, call.metadata.channel.uuid, call.other.id, call.answered], [2, one, b, true]);
    await sip.hangup(a);
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === b);
    await rtp.until(() => rtp.channels.size === 0, "channels closed");
    await other.idle();
    await other.stop();
    for (const callid of [a, b]) control.table.get(callid).end({ code: 0, status: "" });
  }],
];

module.exports = { scenarios, apart, kill, look };
