/** Scenarios of one call and of two: ring, answer, refuse, connect, hang up, hold. Each is `[claim, async (world) => …]`. */
"use strict";

const Sip = require("../sim/sip.js");

/** An inbound call that calls 1003. */
async function dial(world, request = { to: "1003" }) {
  const { control, sip } = world;
  control.onnewcall = (call) => call.newcall(request);
  const a = await sip.incoming();
  const b = (await sip.outgoing("1003")).callid;
  return { a, b };
}

/** The same, answered and mixed. */
async function talk(world) {
  const { sip, rtp, check } = world;
  const legs = await dial(world);
  await sip.ring(legs.b);
  await sip.answer(legs.b);
  await rtp.request("PUT /channel/", () => world.call(legs.a)?.answered && world.rtp.log.some((entry) => entry.path.includes("/mix/")));
  const [one, two] = [world.call(legs.a).metadata.channel.uuid, world.call(legs.b).metadata.channel.uuid];
  await world.until(() => rtp.mixed(one, two), "the mix");
  check.ok(world.call(legs.b).answered, "b answered");
  return { ...legs, one, two };
}

const scenarios = [
  ["a new call runs onnewcall with the call as argument and as this", async (world) => {
    const { control, sip, check } = world;
    const seen = [];
    control.onnewcall = function (call) {
      seen.push(this === call, call.destination, call.originator, call.haserror, call.info.from);
    };
    await sip.incoming();
    await world.until(() => seen.length > 0, "onnewcall");
    check.equal(seen, [true, "1003", false, false, "1000"]);
  }],

  ["ring then answer reach the SIP server in that order and open one channel", async (world) => {
    const { control, sip, rtp, check } = world;
    let answered;
    control.onnewcall = (call) => {
      call.ring("<http://127.0.0.1/ring>");
      call.ring();
      answered = call.answer();
      call.answer();
    };
    const a = await sip.incoming();
    await world.until(() => answered, "answer");
    check.equal(await answered, true);
    const actions = sip.log.map((entry) => entry.path);
    check.equal(actions, ["/dialog/ring", "/dialog/answer"]);
    check.equal(sip.log[0].body, { callid: a, alertinfo: "<http://127.0.0.1/ring>" });
    check.equal(rtp.opened, 1);
    check.equal(rtp.log[0].body.control, control.url);
  }],

  ["the answer has their order of codecs, our port, and aims the channel at them", async (world) => {
    const { control, sip, rtp, check } = world;
    control.codecs = ["pcma", "pcmu", "722", "2833"];
    control.onnewcall = (call) => call.answer();
    await sip.incoming({ sdp: { them: Sip.sdp(20000, [3, 0, 8, 101]) } });
    const { body } = await sip.request("PUT /dialog/answer");
    const [line] = body.sdp.m;
    check.equal(line.payloads, [0, 8, 101]);
    check.equal(line.direction, "sendrecv");
    check.equal(line.fmtp, { 101: "0-16" });
    check.equal(line.port, rtp.channels.get("channel-1").port);
    check.equal(body.sdp.c[0].address, "127.0.0.1");
    const { target } = rtp.channels.get("channel-1");
    check.equal([target.ip, target.port, target.audio.payloads], ["127.0.0.1", 20000, [0, 8, 101]]);
  }],

  ["answer with codecs of its own uses only those", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = (call) => call.answer({ codecs: ["pcmu"] });
    await sip.incoming();
    const { body } = await sip.request("PUT /dialog/answer");
    check.equal(body.sdp.m[0].payloads, [0]);
  }],

  ["a call without a codec in common is refused with 488 and takes no channel", async (world) => {
    const { control, sip, rtp, check } = world;
    let answered;
    control.onnewcall = async (call) => {
      answered = await call.answer();
    };
    await sip.incoming({ sdp: { them: Sip.sdp(20000, [3, 101]) } });
    const { body } = await sip.request("PUT /dialog/hangup");
    check.equal(body.code, 488);
    await world.until(() => answered !== undefined, "answer");
    check.equal([answered, rtp.opened], [false, 0]);
  }],

  ["without a free channel the caller gets 503", async (world) => {
    const { control, sip, rtp, check } = world;
    rtp.most = 0;
    control.onnewcall = (call) => call.answer();
    await sip.incoming();
    check.equal((await sip.request("PUT /dialog/hangup")).body.code, 503);
    check.equal(world.warnings, [], "not a line for each caller who is refused");
  }],

  ["a callee whose far end the RTP server refuses is hung up, and the log says why", async (world) => {
    const { sip, rtp, check } = world;
    await dial(world);
    const { body: invite } = await sip.request("POST /dialog/invite");
    const callee = [...sip.calls.keys()].at(-1);
    rtp.refusals.set("PUT /channel/", () => ({ status: 503, json: { error: "unavailable", detail: "full" } }));
    await sip.answer(callee);
    const { body } = await sip.request("PUT /dialog/hangup", ({ callid }) => callid === callee);
    check.equal([invite.to.user, body.code], ["1003", 500]);
    check.equal(world.warnings, [`call ${callee}: RTP server refused the far end: full; hung up with 500`]);
  }],

  ["busy, notfound, paymentrequired and hangup words become SIP statuses", async (world) => {
    const { control, sip, check } = world;
    const ways = [(call) => call.busy(), (call) => call.notfound(), (call) => call.paymentrequired(), (call) => call.hangup("declined"), (call) => call.hangup(480), (call) => call.hangup()];
    control.onnewcall = (call) => ways[Number(call.destination)](call);
    for (let to = 0; to < ways.length; to += 1) await sip.incoming({ to: String(to) });
    await world.until(() => sip.count("PUT /dialog/hangup") === ways.length, "hang-ups");
    check.equal(sip.log.map((entry) => entry.body.code), [486, 404, 402, 603, 480, undefined]);
    check.equal(sip.log[0].body.reason, "busy");
  }],

  ["an offer without SDP is answered with our offer, and their ACK aims the channel", async (world) => {
    const { control, sip, rtp, check } = world;
    sip.late = Sip.sdp(22222, [0]);
    control.onnewcall = (call) => call.answer();
    await sip.incoming({ sdp: { them: {}, us: {} } });
    const { body } = await sip.request("PUT /dialog/answer");
    check.equal(body.sdp.m[0].payloads, [8, 0, 9, 97, 101]);
    await rtp.request("PUT /channel/channel-1");
    const { target } = rtp.channels.get("channel-1");
    check.equal([target.port, target.audio.payloads], [22222, [0]]);
  }],

  ["a late offer of ours is completed in the ACK", async (world) => {
    const { control, sip, rtp, check } = world;
    control.newcall({ from: "1000@bling.babblevoice.com", to: "1003@bling.babblevoice.com", lateoffer: true });
    const invite = (await sip.request("POST /dialog/invite")).body;
    check.equal([invite.sdp, rtp.opened], [undefined, 0]);
    const { callid } = await sip.outgoing("1003");
    await sip.answer(callid, Sip.sdp(30000, [9, 8]));
    const { body } = await sip.request("PUT /dialog/ack");
    check.equal(body.sdp.m[0].payloads, [9, 8]);
    check.equal(rtp.channels.get("channel-1").target.port, 30000);
  }],

  ["a child that rings makes the parent ring, once", async (world) => {
    const { sip, check } = world;
    const { a, b } = await dial(world);
    await sip.ring(b);
    await sip.phone(b, {}, "ringing");
    check.equal((await sip.request("PUT /dialog/ring")).body, { callid: a });
    check.equal(sip.count("PUT /dialog/ring"), 1);
  }],

  ["a child that answers is aimed, its parent answered, and the two mixed", async (world) => {
    const { sip, rtp, check } = world;
    const { a, one, two } = await talk(world);
    check.equal(rtp.channels.get(two).target.port, 30000);
    check.equal(rtp.channels.get(one).target.port, 20000);
    check.equal(rtp.channels.get(one).near, two, "near");
    check.equal(sip.log.find((entry) => entry.path === "/dialog/answer").body.callid, a);
    const order = rtp.log.map((entry) => `${entry.method} ${entry.path}`);
    check.equal(order, ["POST /channel", `PUT /channel/${two}`, "POST /channel", `PUT /channel/${one}`, `PUT /channel/${two}/mix/${one}`]);
  }],

  ["the child is called as the parent's caller, with one forward less", async (world) => {
    const { sip, check } = world;
    await dial(world);
    const { body } = await sip.request("POST /dialog/invite");
    check.equal(body.from, { user: "1000", domain: "bling.babblevoice.com" });
    check.equal([body.to, body.maxforwards, body.cid, body.control], [{ user: "1003" }, 69, { number: "1000", name: "1000" }, world.control.url]);
    check.ok(body.idempotency, "idempotency");
  }],

  ["the caller hangs up: the callee too, and both channels close", async (world) => {
    const { sip, rtp } = world;
    const { a, b } = await talk(world);
    await sip.hangup(a);
    await sip.request("PUT /dialog/hangup", (body) => body.callid === b);
    await rtp.until(() => rtp.channels.size === 0, "closed channels");
  }],

  ["the callee hangs up: the caller too", async (world) => {
    const { sip } = world;
    const { a, b } = await talk(world);
    await sip.hangup(b);
    await sip.request("PUT /dialog/hangup", (body) => body.callid === a);
  }],

  ["the caller gives up while it rings: the callee's phone stops", async (world) => {
    const { sip } = world;
    const { a, b } = await dial(world);
    await sip.ring(b);
    await sip.hangup(a, 487, "Request Terminated");
    await sip.request("PUT /dialog/hangup", (body) => body.callid === b);
  }],

  ["a callee that is busy makes the caller busy", async (world) => {
    const { sip, check } = world;
    const { a, b } = await dial(world);
    await sip.hangup(b, 486, "Busy Here");
    check.equal((await sip.request("PUT /dialog/hangup", (body) => body.callid === a)).body.code, 486);
  }],

  ["a callee that is not registered: error, onnewcall and onhangup of the child, 480 to the caller", async (world) => {
    const { control, sip, check } = world;
    sip.refusals.set("POST /dialog/invite", () => ({ status: 480, json: { error: "unroutable", detail: "not registered" } }));
    const told = [];
    control.onnewcall = (call) => {
      const child = call.newcall({ to: { user: "1003" } });
      child.onnewcall = () => told.push("new", child.haserror, child.error.code);
      child.onhangup = () => told.push("hangup");
    };
    await sip.incoming();
    check.equal((await sip.request("PUT /dialog/hangup")).body.code, 480);
    check.equal(told, ["new", true, 480, "hangup"]);
  }],

  ["a script may try another when the first fails, and the caller stays", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = async (call) => {
      for (const to of ["1001", "1003"]) if (await call.newcall({ to }).waitforanswer()) return;
      call.notfound();
    };
    const a = await sip.incoming();
    const first = await sip.outgoing("1001");
    await sip.hangup(first.callid, 486, "Busy Here");
    const second = await sip.outgoing("1003");
    check.equal(sip.count("PUT /dialog/hangup"), 0);
    await sip.answer(second.callid);
    await world.until(() => world.call(a).answered, "the caller answered");
  }],

  ["hold: re-INVITE answered inactive, unmixed, music to the other; off hold undoes it", async (world) => {
    const { control, sip, rtp, check } = world;
    control.moh = { loop: true, files: [{ wav: "music.wav" }] };
    const happened = [];
    control.onhold = () => happened.push("hold");
    control.onoffhold = () => happened.push("offhold");
    const { a, b, one, two } = await talk(world);
    const held = { ...Sip.sdp(30000, [8, 0, 101], { direction: "inactive" }) };
    held.o = { ...held.o, sessionversion: 2 };
    await sip.phone(b, { hold: true, sdp: { them: held } }, "hold");
    const ok = await sip.request("PUT /dialog/ok");
    check.equal([ok.body.callid, ok.body.sdp.m[0].direction], [b, "inactive"]);
    await rtp.until(() => rtp.channels.get(one).playing, "music");
    check.ok(!rtp.mixed(one, two), "unmixed");
    check.ok(!rtp.channels.get(two).playing, "no music for who holds");
    const back = { ...Sip.sdp(30000) };
    back.o = { ...back.o, sessionversion: 3 };
    await sip.phone(b, { hold: false, sdp: { them: back } }, "unhold");
    await sip.request("PUT /dialog/ok", (body) => body.sdp.m[0].direction === "sendrecv");
    await world.until(() => rtp.mixed(one, two) && !rtp.channels.get(one).playing, "mixed again without music");
    check.equal(happened, ["hold", "offhold"]);
    check.equal(world.call(a).answered, true);
    const versions = sip.log.filter((entry) => entry.path === "/dialog/ok").map((entry) => entry.body.sdp.o.sessionversion);
    check.equal(versions, [1, 2], "versions go up");
  }],

  ["a re-INVITE that moves the far end aims the channel anew and is answered", async (world) => {
    const { sip, rtp, check } = world;
    const { b, two } = await talk(world);
    await sip.phone(b, { sdp: { them: Sip.sdp(31000) } }, "reinvite");
    await sip.request("PUT /dialog/ok", (body) => body.callid === b);
    check.equal(rtp.channels.get(two).target.port, 31000);
    check.equal(rtp.count(`PUT /channel/${two}/unmix`), 0);
  }],

  ["early media of a child opens early media of its parent", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await dial(world);
    await sip.phone(b, { sdp: { them: Sip.sdp(30000) } }, "progress");
    const { body } = await sip.request("PUT /dialog/progress");
    check.equal(body.callid, a);
    await world.until(() => rtp.mixed(world.call(a).metadata.channel?.uuid, world.call(b).metadata.channel.uuid), "the mix");
    await sip.answer(b);
    const answer = await sip.request("PUT /dialog/answer");
    check.equal(answer.body.sdp, body.sdp, "200 repeats the description of 183");
    check.equal(rtp.opened, 2);
  }],

  ["echo: answered by the script, then the channel echoes", async (world) => {
    const { control, sip, rtp } = world;
    control.onnewcall = async (call) => {
      if (await call.answer()) await call.echo();
    };
    await sip.incoming({ to: "*43" });
    await rtp.until(() => rtp.channels.get("channel-1")?.echo, "echo");
  }],
];

module.exports = { scenarios, dial, talk };
