/** Scenarios of calls that take over others (Replaces), of offers before the answer, and of texts. */
"use strict";

const Sip = require("../sim/sip.js");
const { dial, talk } = require("./basic.js");

/** Whether two calls hear each other. */
function together(world, a, b) {
  const uuid = (callid) => world.call(callid)?.metadata.channel?.uuid;
  return uuid(a) !== undefined && world.rtp.mixed(uuid(a), uuid(b));
}

const scenarios = [
  ["a call with Replaces takes the place of an answered one, from either side", async (world) => {
    const { sip, check } = world;
    const { a, b } = await talk(world);
    const c = await sip.incoming({ from: "1004", to: "1003", replaces: b });
    await world.until(() => together(world, a, c) && !world.call(b), "c in place of b");
    const d = await sip.incoming({ from: "1005", to: "1000", replaces: a });
    await world.until(() => together(world, d, c) && !world.call(a), "d in place of a");
    check.equal([world.call(d).other.id, sip.count("POST /dialog/invite"), sip.count("PUT /dialog/hangup")], [c, 1, 0]);
    await sip.hangup(c);
    await world.until(() => !world.call(d), "the other ends too");
  }],

  ["a call that rings at others is picked up with Replaces, and those are told", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = (call) => call.newcall(["1001", "1002"]);
    const a = await sip.incoming();
    const [one, two] = [(await sip.outgoing("1001")).callid, (await sip.outgoing("1002")).callid];
    await sip.ring(one);
    const c = await sip.incoming({ from: "1004", to: "1001", replaces: one });
    await world.until(() => world.call(a).answered && together(world, a, c), "c has picked up a");
    await world.until(() => !world.call(one) && !world.call(two), "the others are let go");
    check.equal([world.call(a).other.id, sip.count("POST /dialog/invite")], [c, 2]);
  }],

  ["a call with Replaces that cannot be answered leaves the other as it was", async (world) => {
    const { sip, check } = world;
    const { a, b } = await talk(world);
    const c = await sip.incoming({ from: "1004", to: "1003", replaces: b, sdp: { them: Sip.sdp(20000, [18]), us: {} } });
    check.equal((await sip.request("PUT /dialog/hangup", ({ callid }) => callid === c)).body.code, 488);
    check.ok(together(world, a, b) && world.call(a).other.id === b, "they talk on");
  }],

  ["a call with Replaces of one that talks to the script goes to the same script; of nobody, is a new call", async (world) => {
    const { control, sip, check } = world;
    const seen = [];
    control.onnewcall = (call) => {
      seen.push(call.destination);
      call.answer();
    };
    const a = await sip.incoming({ to: "*98" });
    await world.until(() => world.call(a).answered, "a answered");
    await sip.incoming({ to: "1000", replaces: a });
    await world.until(() => !world.call(a), "a taken over");
    await sip.incoming({ to: "1003", replaces: "unknown" });
    await world.until(() => seen.length === 3, "the third");
    check.equal(seen, ["*98", "*98", "1003"]);
  }],

  ["an offer of theirs before the answer is answered at once", async (world) => {
    const { sip, rtp, check } = world;
    const { b } = await dial(world);
    await sip.phone(b, { ring: true, sdp: { them: Sip.sdp(30000), us: {} } }, "progress");
    await world.until(() => [...rtp.channels.values()].some(({ target }) => target?.port === 30000), "early media");
    await sip.phone(b, { sdp: { them: Sip.sdp(30010), us: {} } }, "reinvite");
    const { body } = await sip.request("PUT /dialog/ok");
    check.equal([body.callid, body.sdp.m[0].direction], [b, "sendrecv"]);
    check.ok([...rtp.channels.values()].some(({ target }) => target?.port === 30010), "aimed at the new place");
  }],

  ["a late offer in a reliable 183 is answered in its PRACK, and not again in the ACK", async (world) => {
    const { sip, check } = world;
    const { a, b } = await dial(world, { to: "1003", lateoffer: true });
    await sip.phone(b, { ring: true, sdp: { them: Sip.sdp(30000), us: {} } }, "progress");
    check.equal((await sip.request("PUT /dialog/ack")).body.sdp.m[0].payloads, [8, 0, 101]);
    await sip.answer(b, Sip.sdp(30000));
    await world.until(() => together(world, a, b), "the mix");
    check.equal(sip.count("PUT /dialog/ack"), 1);
  }],

  ["a late offer in a 183 that is not reliable is answered in the ACK", async (world) => {
    const { sip, check } = world;
    sip.unreliable = true;
    const { a, b } = await dial(world, { to: "1003", lateoffer: true });
    await sip.phone(b, { ring: true, sdp: { them: Sip.sdp(30000), us: {} } }, "progress");
    await sip.request("PUT /dialog/ack");
    sip.unreliable = false;
    await sip.answer(b, Sip.sdp(30000));
    await world.until(() => together(world, a, b), "the mix");
    check.equal(sip.count("PUT /dialog/ack"), 2);
  }],

  ["texts reach onmessage, and domains named with it set take them", async (world) => {
    const { control, sip, check } = world;
    await control.directory("quiet.example", []);
    const texts = [];
    control.onmessage = (message) => texts.push(`${message.from}@${message.domain} to ${message.to}: ${message.body}`);
    await control.directory("chatty.example", [], { authentication: { proxy: true } });
    await control.directory("open.example", [], { authentication: "none" });
    const told = (domain) => sip.directory.get(domain).authentication;
    check.equal([told("quiet.example"), told("chatty.example"), told("open.example")], [undefined, { messages: true, proxy: true }, "none"]);
    check.equal((await world.ask("PUT", "/message/chatty.example/1001", { from: "1000", body: "tea?" })).status, 200);
    await world.until(() => texts.length > 0, "the text");
    check.equal(texts, ["1000@chatty.example to 1001: tea?"]);
  }],
];

module.exports = { scenarios };
