/** Scenarios of queues, voice menus and the examples. */
"use strict";

const ivr = require("../../ivr/index.js");
const ProjectQueues = require("../../queue/queues.js");
const script = require("../sim/script.js");
const { answered } = require("./features.js");

const sound = (name) => ({ files: [{ wav: `${name}.wav` }] });

/** The caller presses keys, one event each. */
async function press(world, uuid, keys) {
  for (const event of keys) await world.rtp.event(uuid, { action: "telephone-event", event });
}

/** What plays on a channel has begun, and ends. */
async function heard(world, uuid, wav) {
  await world.rtp.until(() => world.rtp.channels.get(uuid)?.playing?.files?.[0]?.wav === `${wav}.wav`, `${wav} on ${uuid}`);
  world.rtp.channels.get(uuid).playing = undefined;
  await world.rtp.event(uuid, { action: "play", event: "end", reason: "completed" });
}

/** An example runs, and this call comes in. */
async function example(world, name, to, env) {
  const ran = script.run(world, script.source(`../../examples/${name}.js`), env);
  return { ...ran, callid: await world.sip.incoming({ to }) };
}

/** The channel of a call, once its far end is told. */
async function channel(world, callid) {
  await world.until(() => world.call(callid)?.metadata.channel && world.rtp.channels.get(world.call(callid).metadata.channel.uuid)?.target, "the channel");
  return world.call(callid).metadata.channel.uuid;
}

const scenarios = [
  ["collect: a digit stops the prompt, the count ends it", async (world) => {
    const { call, uuid } = await answered(world);
    const got = ivr.collect(call, { prompt: sound("pin"), count: 4 });
    await world.rtp.request(`PUT /channel/${uuid}/play`);
    await press(world, uuid, "1234");
    world.check.equal(await got, "1234");
    await world.rtp.request(`DELETE /channel/${uuid}/play`);
  }],

  ["collect: terminator, pattern, tries and silence", async (world) => {
    const { check } = world;
    const { call, uuid } = await answered(world);
    const number = ivr.collect(call, { terminator: "#", ms: 2000 });
    await press(world, uuid, "42#");
    check.equal(await number, "42");
    const wrong = ivr.collect(call, { prompt: sound("pin"), invalid: sound("sorry"), count: 1, pattern: /[12]/, ms: 2000 });
    await heard(world, uuid, "pin");
    await press(world, uuid, "9");
    await heard(world, uuid, "sorry");
    await press(world, uuid, "2");
    check.equal(await wrong, "2");
    check.equal(await ivr.collect(call, { count: 1, ms: 5, tries: 2 }), undefined);
    const refused = await ivr.collect(call, {}).catch((error) => error.name);
    check.equal(refused, "TypeError");
  }],

  ["voicemail: greeting, beep, record, ended by #", async (world) => {
    const { rtp, sip, control, check } = world;
    let left;
    control.onnewcall = async (call) => {
      left = await ivr.voicemail(call, { file: "m.wav", greeting: sound("hello"), beep: sound("beep"), maxduration: 9000 });
      call.hangup();
    };
    const callid = await sip.incoming();
    const uuid = await channel(world, callid);
    await heard(world, uuid, "hello");
    await heard(world, uuid, "beep");
    check.equal((await rtp.request(`PUT /channel/${uuid}/record`)).body, { file: "m.wav", maxduration: 9000, minduration: 1000 });
    await press(world, uuid, "#");
    await rtp.request(`DELETE /channel/${uuid}/record/m.wav`);
    await rtp.event(uuid, { action: "record", event: "finished.requested", file: "m.wav", filesize: 320044 });
    await world.until(() => left, "the message");
    check.equal(left, { file: "m.wav", reason: "#", filesize: 320044 });
  }],

  ["numbers and digits are said word by word", async ({ check }) => {
    const said = (soup) => soup.files.map(({ wav }) => wav.replace(".wav", "")).join(" ");
    check.equal(said(ivr.say.number(47, "en/")), "en/40 en/7");
    check.equal([0, 13, 100, 215, 1001, 342_019].map((value) => said(ivr.say.number(value))).join(" | "), "0 | 13 | 1 hundred | 2 hundred 15 | 1 thousand 1 | 3 hundred 40 2 thousand 19");
    check.equal(said(ivr.say.spell("10#*")), "1 0 hash star");
    check.throws(() => ivr.say.spell("abc"), /TypeError/);
    check.throws(() => ivr.say.number(-1), /TypeError/);
  }],

  ["a queue: agents ring in turn, who answers gets the first caller, positions move up", async (world) => {
    const { control, sip, rtp, check } = world;
    const queues = new ProjectQueues();
    const places = [];
    queues.onpositionchange = (call) => places.push(`${call.info.from}:${call.metadata.queue.position}`);
    const queue = queues.find("sales");
    queue.moh = sound("music");
    queue.retryms = 10;
    control.onnewcall = (call) => queue.queue(call);
    const first = await sip.incoming({ from: "2001", to: "500" });
    const second = await sip.incoming({ from: "2002", to: "500" });
    await world.until(() => queue.calls.length === 2 && queue.calls.every((call) => call.metadata.channel?.playing), "music for both");
    check.equal(queues.find("sales") === queue, true);
    const agent = queue.addagent("1001");
    const ringing = await sip.outgoing("1001");
    await sip.hangup(ringing.callid, 486, "Busy Here");
    await world.turn();
    check.equal(world.call(first).hungup, false, "the caller stays");
    await world.until(() => [...sip.calls.values()].some((call) => call.originator && call.announced), "the second try");
    const { callid } = await sip.outgoing("1001");
    await sip.answer(callid);
    await world.until(() => world.call(first).metadata.queue.state === "talking", "delivered");
    await world.until(() => rtp.mixed(world.call(first).metadata.channel.uuid, world.call(callid).metadata.channel.uuid), "the mix");
    check.equal([queue.calls.length, agent.state, agent.taken, world.call(second).metadata.queue.position], [1, "talking", 1, 1]);
    await sip.hangup(callid);
    await sip.request("PUT /dialog/hangup", (body) => body.callid === first);
    await sip.outgoing("1001");
    await sip.hangup(second);
    await world.until(() => queue.calls.length === 0 && agent.state !== "ringing", "abandoned");
    check.equal(places, ["2001:1", "2002:2", "2002:1"]);
  }],

  ["a queue that is full, or waited in too long, overflows", async (world) => {
    const { control, sip, check } = world;
    const queue = new ProjectQueues().find("small");
    const over = [];
    queue.max = 1;
    queue.maxwaitms = 200;
    queue.overflow = (call, why) => {
      over.push(why);
      call.hangup("busy");
    };
    control.onnewcall = (call) => queue.queue(call);
    await sip.incoming();
    await sip.incoming();
    await world.until(() => over.length === 2, "both overflows");
    check.equal([over, queue.calls.length], [["full", "timeout"], 0]);
  }],

  ["a queue without agents: the script delivers", async (world) => {
    const { control, sip, check } = world;
    const queue = new ProjectQueues().find("byhand");
    control.onnewcall = (call) => queue.queue(call);
    const a = await sip.incoming();
    await world.until(() => queue.calls[0]?.answered, "the caller");
    const child = world.call(a).newcall("1001");
    await sip.answer((await sip.outgoing("1001")).callid);
    await world.until(() => child.answered, "the answer");
    queue.delivered(world.call(a));
    check.equal([queue.calls, world.call(a).metadata.queue.state], [[], "talking"]);
  }],

  ["example: the documentation's script", async (world) => {
    const { callid, lines } = await example(world, "documentation", "3");
    await world.sip.answer((await world.sip.outgoing("1003")).callid);
    await world.until(() => world.call(callid).answered, "the answer");
    await world.sip.hangup(callid);
    await world.until(() => lines.includes("hung up"), "the end");
    world.check.equal(lines, ["new call", "hung up"]);
  }],

  ["example: extensions, with echo", async (world) => {
    const { callid } = await example(world, "extensions", "*43", { MEDIASWITCH_DOMAIN: "bling.babblevoice.com", MEDIASWITCH_USERS: "1000:a,1003:b" });
    const uuid = await channel(world, callid);
    await world.rtp.until(() => world.rtp.channels.get(uuid).echo, "echo");
    const nobody = await world.sip.incoming({ to: "77" });
    world.check.equal((await world.sip.request("PUT /dialog/hangup", (body) => body.callid === nobody)).body.code, 404);
  }],

  ["example: queue", async (world) => {
    const { callid, queues, lines } = await example(world, "queue", "500");
    const uuid = await channel(world, callid);
    await heard(world, uuid, "youare");
    const agent = await world.sip.outgoing("1001");
    await world.sip.answer(agent.callid);
    await world.until(() => world.call(callid).metadata.queue.state === "talking", "delivered");
    const rest = await world.sip.incoming({ from: "1002", to: "502" });
    await world.sip.request("PUT /dialog/hangup", (body) => body.callid === rest);
    world.check.equal([queues.find("sales").agents.map((one) => one.paused), lines], [[false, true], ["1000 is number 1"]]);
  }],

  ["example: voice menu", async (world) => {
    const { callid } = await example(world, "ivr", "600");
    const uuid = await channel(world, callid);
    await heard(world, uuid, "welcome");
    await press(world, uuid, "2");
    await heard(world, uuid, "dial");
    await press(world, uuid, "1003");
    await world.sip.answer((await world.sip.outgoing("1003")).callid);
    await world.until(() => world.call(callid).other?.answered, "the extension");
  }],

  ["example: conference", async (world) => {
    const { lines } = await example(world, "conference", "800", { CONFERENCE_PIN: "77" });
    const second = await world.sip.incoming({ to: "800", from: "1009" });
    for (const callid of world.control.table.ids()) {
      const uuid = await channel(world, callid);
      await heard(world, uuid, "pin");
      await press(world, uuid, "77#");
    }
    await world.until(() => lines.length === 2, "both in the room");
    world.check.ok(lines.some((line) => /1009 joined 800, now [12]/.test(line)), lines.join());
    await world.sip.hangup(second);
  }],

  ["example: trunk", async (world) => {
    const { lines } = await example(world, "trunk", "907700900000");
    const out = await world.sip.outgoing("07700900000");
    world.check.equal((await world.sip.request("POST /dialog/invite")).body.to.domain, "carrier.example");
    await world.sip.hangup(out.callid, 486, "Busy Here");
    await world.until(() => lines.length === 2, "two reports");
    world.check.ok(lines.some((line) => line.includes("486 Busy Here")), lines.join());
  }],

  ["example: click to call", async (world) => {
    await script.run(world, script.source("../../examples/clicktocall.js"));
    const asked = world.ask("POST", "/invite", { domain: "bling.babblevoice.com", from: "1000", to: "1003" });
    await world.sip.answer((await world.sip.outgoing("1000")).callid);
    world.check.equal((await asked).status, 200);
    await world.sip.outgoing("1003");
  }],
];

module.exports = { scenarios };
