/** Scenarios of direct media: the phones of two calls send to each other, until something needs us. */
"use strict";

const Sip = require("../sim/sip.js");
const { dial } = require("./basic.js");

const DIRECT = { to: "1003", direct: true };

/** Two phones that talk to each other. */
async function talk(world, sdp = Sip.sdp(30000)) {
  const { control, sip } = world;
  control.onnewcall = (call) => call.newcall({ to: call.destination, direct: true });
  const a = await sip.incoming();
  const b = (await sip.outgoing("1003")).callid;
  await sip.ring(b);
  await sip.answer(b, sdp);
  await world.until(() => world.call(a)?.answered && world.call(b)?.answered, "both answered");
  return { a, b };
}

/** The phone answers a re-INVITE. */
function reanswer(world, callid, them) {
  const state = world.sip.calls.get(callid);
  return world.sip.phone(callid, { sdp: { ...state.sdp, them } }, "answered");
}

/** Both phones take the re-INVITEs that bring them to us. */
async function brought(world, { a, b }) {
  const { sip, rtp } = world;
  for (const callid of [a, b]) await sip.request("PUT /dialog/invite", (body) => body.callid === callid && body.sdp.c[0].address === "127.0.0.1" && rtp.channels.size > 0);
  await reanswer(world, a, Sip.sdp(20000));
  await reanswer(world, b, Sip.sdp(30000));
  const uuid = (callid) => world.call(callid).metadata.channel?.uuid;
  await world.until(() => uuid(a) && uuid(b) && rtp.mixed(uuid(a), uuid(b)), "the mix");
  await world.until(() => [...rtp.channels.values()].every(({ target }) => target), "both far ends");
}

const scenarios = [
  ["direct media: both phones get each other's description, and no channel is opened", async (world) => {
    const { control, sip, rtp, check } = world;
    let record;
    control.onreporting = (call) => (record ??= call.cdr);
    const { a, b } = await talk(world);
    const offered = sip.log.find(({ path }) => path === "/dialog/invite").body.sdp;
    const answered = (await sip.request("PUT /dialog/answer")).body.sdp;
    check.equal([offered, answered], [Sip.sdp(20000), Sip.sdp(30000)]);
    check.equal([world.call(a).direct, world.call(b).direct, rtp.opened], [true, true, 0]);
    await sip.hangup(a);
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === b);
    await world.until(() => record && control.table.size === 0, "the end");
    check.equal([record.codecs, record.media, record.talkms >= 0], [["PCMA/8000", "PCMU/8000", "telephone-event/8000"], null, true]);
  }],

  ["direct media: early media of the only callee reach the caller, and the answer follows", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await dial(world, DIRECT);
    await sip.phone(b, { ring: true, sdp: { them: Sip.sdp(30000), us: {} } }, "progress");
    check.equal((await sip.request("PUT /dialog/progress")).body.sdp, Sip.sdp(30000));
    await sip.answer(b, Sip.sdp(30002));
    check.equal((await sip.request("PUT /dialog/answer")).body.sdp, Sip.sdp(30002));
    await world.until(() => world.call(a).answered, "the answer");
    check.equal(rtp.opened, 0);
  }],

  ["direct media: of several that ring the first to answer has it", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = (call) => call.newcall([{ to: "1001", direct: true }, { to: "1002", direct: true }]);
    const a = await sip.incoming();
    const [one, two] = [(await sip.outgoing("1001")).callid, (await sip.outgoing("1002")).callid];
    await sip.answer(two, Sip.sdp(30002));
    check.equal((await sip.request("PUT /dialog/answer")).body.sdp, Sip.sdp(30002));
    await world.until(() => world.call(a).answered && !world.call(one), "the other is let go");
    check.equal([rtp.opened, world.call(a).other.id], [0, two]);
  }],

  ["direct media: a callee without a codec of the caller's is called again through us", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await dial(world, DIRECT);
    await sip.hangup(b, 488, "Not Acceptable Here");
    const c = await sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced), "the second try");
    check.equal([world.call(c.callid).direct, world.call(a).hungup, sip.count("POST /dialog/invite")], [false, false, 2]);
    await sip.answer(c.callid, Sip.sdp(30000, [0]));
    const uuid = (callid) => world.call(callid).metadata.channel?.uuid;
    await world.until(() => uuid(a) && rtp.mixed(uuid(a), uuid(c.callid)), "the mix");
    // One that is called through us has had its chance.
    const next = await sip.incoming({ from: "1007" });
    const d = await sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced && call !== c), "the next");
    await sip.hangup(d.callid, 488, "Not Acceptable Here");
    const e = await sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced && call !== c), "its second try");
    await sip.hangup(e.callid, 488, "Not Acceptable Here");
    check.equal((await sip.request("PUT /dialog/hangup", ({ callid }) => callid === next)).body.code, 488);
  }],

  ["direct media: hold and un-hold go to the other phone, and its answers back", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await talk(world);
    const held = Sip.sdp(20000, undefined, { direction: "sendonly" });
    await sip.phone(a, { hold: true, sdp: { them: held, us: {} } }, "hold");
    check.equal((await sip.request("PUT /dialog/invite")).body, { callid: b, sdp: held });
    const listening = Sip.sdp(30000, undefined, { direction: "recvonly" });
    await reanswer(world, b, listening);
    check.equal((await sip.request("PUT /dialog/ok")).body, { callid: a, sdp: listening });
    await sip.phone(a, { hold: false, sdp: { them: Sip.sdp(20000), us: {} } }, "unhold");
    await sip.request("PUT /dialog/invite", ({ sdp }) => sdp.m[0].direction === "sendrecv");
    await reanswer(world, b, Sip.sdp(30000));
    check.equal((await sip.request("PUT /dialog/ok", ({ sdp }) => sdp?.m[0].direction === "sendrecv")).body, { callid: a, sdp: Sip.sdp(30000) });
    check.equal([rtp.opened, world.call(a).direct, sip.count("PUT /dialog/ok")], [0, true, 2]);
  }],

  ["direct media: an offer that the other phone refuses, or cannot be asked, leaves all as it was", async (world) => {
    const { sip, check } = world;
    const { a, b } = await talk(world);
    await sip.phone(a, { sdp: { them: Sip.sdp(20004), us: {} } }, "reinvite");
    await sip.request("PUT /dialog/invite");
    await sip.phone(b, { error: { code: 488, status: "Not Acceptable Here" } }, "answered");
    check.equal((await sip.request("PUT /dialog/ok")).body, { callid: a });
    sip.refusals.set("PUT /dialog/invite", () => ({ status: 409, json: { error: "wrong_state" } }));
    await sip.phone(b, { sdp: { them: Sip.sdp(30004), us: {} }, error: { code: 0, status: "" } }, "reinvite");
    check.equal((await sip.request("PUT /dialog/ok", ({ callid }) => callid === b)).body, { callid: b });
    check.ok(world.call(a) && world.call(b), "they talk on");
  }],

  ["direct media: what the ACK of a re-INVITE without an offer says goes to the other phone", async (world) => {
    const { sip, check } = world;
    const { a, b } = await talk(world);
    await reanswer(world, a, Sip.sdp(20008));
    check.equal((await sip.request("PUT /dialog/invite")).body, { callid: b, sdp: Sip.sdp(20008) });
    await reanswer(world, b, Sip.sdp(30000));
  }],

  ["direct media: the other phone hangs up while an offer waits for it", async (world) => {
    const { sip } = world;
    const { a, b } = await talk(world);
    await sip.phone(a, { sdp: { them: Sip.sdp(20004), us: {} } }, "reinvite");
    await sip.request("PUT /dialog/invite");
    await sip.hangup(b);
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a);
  }],

  ["direct media: a verb brings both calls to us, in the sessions that their phones know", async (world) => {
    const { sip, rtp, check } = world;
    const legs = await talk(world);
    const { a, b } = legs;
    const done = Promise.all([world.call(a).record({ file: "a.wav" }), world.call(a).play({ files: [{ wav: "x.wav" }] })]);
    await brought(world, legs);
    check.equal(await done, [true, true]);
    const offer = sip.log.find(({ path, body }) => path === "/dialog/invite" && body.callid === a).body.sdp;
    check.equal([offer.o, offer.m[0].payloads], [{ ...Sip.sdp(30000).o, sessionversion: 2 }, [8, 0, 101]]);
    check.equal([world.call(a).direct, world.call(b).direct, rtp.opened, sip.count("PUT /dialog/invite")], [false, false, 2, 2]);
    // From here on as any call: held by the phone, its channel falls silent.
    await sip.phone(a, { hold: true, sdp: { them: Sip.sdp(20000, undefined, { direction: "sendonly" }), us: {} } }, "hold");
    check.equal((await sip.request("PUT /dialog/ok")).body.sdp.m[0].direction, "inactive");
  }],

  ["direct media: a re-INVITE of ours that meets one of theirs is tried again", async (world) => {
    const { sip, check } = world;
    const legs = await talk(world);
    let refused = 0;
    sip.refusals.set("PUT /dialog/invite", () => {
      sip.refusals.clear();
      refused += 1;
      return { status: 409, json: { error: "wrong_state" } };
    });
    const mixed = world.call(legs.b).mix();
    await brought(world, legs);
    check.equal([await mixed, refused, world.call(legs.a).direct], [true, 1, false]);
  }],

  ["direct media: hold by us brings both to us, and the phone is told", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await talk(world);
    const held = world.call(b).putonhold({ files: [{ wav: "moh.wav" }] });
    for (const [callid, port] of [[b, 30000], [a, 20000]]) {
      await sip.request("PUT /dialog/invite", (body) => body.callid === callid);
      await reanswer(world, callid, Sip.sdp(port));
    }
    check.equal((await sip.request("PUT /dialog/invite", ({ sdp }) => sdp.m[0].direction === "sendonly")).body.callid, b);
    check.equal([await held, world.call(b).held, rtp.channels.get(world.call(b).metadata.channel.uuid).playing?.files.length], [true, true, 1]);
  }],

  ["direct media: phones that share no codec with us stay with each other", async (world) => {
    const { sip, rtp, check } = world;
    const opus = { rtpmap: { 111: { encoding: "opus", clock: 48000 } } };
    const { control } = world;
    control.onnewcall = (call) => call.newcall(DIRECT);
    const a = await sip.incoming({ sdp: { them: Sip.sdp(20000, [111], opus), us: {} } });
    const b = (await sip.outgoing("1003")).callid;
    await sip.answer(b, Sip.sdp(30000, [111], opus));
    await world.until(() => world.call(a).answered, "the answer");
    check.equal([await world.call(a).play({ files: [{ wav: "x.wav" }] }), await world.call(a).putonhold(), world.call(a).held], [false, false, false]);
    check.equal([rtp.opened, sip.count("PUT /dialog/invite"), world.call(a).direct, world.call(a).cdr.codecs], [0, 0, true, ["opus/48000"]]);
  }],

  ["direct media: whoever is transferred comes to us, and talks to the third", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await talk(world);
    await sip.phone(b, { refer: { to: "1005" } }, "refer");
    const c = (await sip.outgoing("1005")).callid;
    await sip.answer(c, Sip.sdp(40000));
    await sip.request("PUT /dialog/invite", ({ callid }) => callid === a);
    await reanswer(world, a, Sip.sdp(20000));
    const uuid = (callid) => world.call(callid)?.metadata.channel?.uuid;
    await world.until(() => uuid(a) && uuid(c) && rtp.mixed(uuid(a), uuid(c)), "the mix");
    await sip.hangup(b);
    check.equal([world.call(a).answered, world.call(a).other.id], [true, c]);
  }],

  ["direct media: two that remain of an attended transfer come to us", async (world) => {
    const { sip, rtp } = world;
    const { a, b } = await talk(world);
    // b calls 1005, and sends a there.
    const second = await sip.incoming({ from: "1003", to: "1005", sdp: { them: Sip.sdp(30010), us: {} } });
    const c = await world.sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced && call.callid !== b), "the call to c");
    await sip.answer(c.callid, Sip.sdp(40000));
    await world.until(() => world.call(second).answered && world.call(c.callid).direct, "they talk");
    await sip.phone(b, { refer: { to: "1005", replaces: second } }, "refer");
    const both = { a, b: c.callid };
    await brought(world, both);
    await sip.hangup(b);
    await sip.hangup(second);
  }],

  ["direct media is not begun with a caller that hears us, or made no offer", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = async (call) => {
      await call.early();
      call.newcall(DIRECT);
    };
    const a = await sip.incoming();
    const b = (await sip.outgoing("1003")).callid;
    check.equal([world.call(b).direct, rtp.opened], [false, 2]);
    await sip.hangup(a);
    await world.until(() => control.table.size === 0, "the end");
    control.onnewcall = (call) => call.newcall(DIRECT);
    const late = await sip.incoming({ sdp: { us: {} } });
    const c = await world.sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced && call.callid !== b), "the call");
    check.equal([world.call(c.callid).direct, world.call(late).direct], [false, false]);
  }],

  ["direct media: a caller that has begun to hear us meanwhile hears the callee through us", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b } = await dial(world, DIRECT);
    check.equal([world.call(b).direct, await world.call(a).answer()], [true, true]);
    await sip.answer(b);
    await sip.request("PUT /dialog/invite", ({ callid }) => callid === b);
    await reanswer(world, b, Sip.sdp(30000));
    const uuid = (callid) => world.call(callid).metadata.channel?.uuid;
    await world.until(() => uuid(a) && uuid(b) && rtp.mixed(uuid(a), uuid(b)), "the mix");
    await world.until(() => rtp.channels.get(uuid(b)).target?.port === 30000, "the callee's place");
  }],

  ["direct media: control restarted in mid-call finds who talks to whom", async (world) => {
    const { control, sip, rtp, check, host } = world;
    const { a, b } = await talk(world);
    sip.calls.get(a).sdp.us = Sip.sdp(30000);
    await control.idle();
    await control.stop();
    const other = new control.constructor({ ...host, guard: undefined, defaults: {}, log: () => undefined });
    Object.assign(other.times, control.times);
    Object.assign(other.sip, { port: sip.port });
    Object.assign(other.rtp, { port: rtp.port });
    other.us.port = 0;
    await other.run();
    await other.idle();
    sip.controlport = rtp.controlport = other.us.port;
    const [one, two] = [other.table.get(a), other.table.get(b)];
    check.equal([one.direct, two.direct, one.other.id, two.originator, two.metadata.family.parent === one], [true, true, b, true, true]);
    const held = Sip.sdp(20000, undefined, { direction: "sendonly" });
    await sip.phone(a, { hold: true, sdp: { them: held, us: Sip.sdp(30000) } }, "hold");
    check.equal((await sip.request("PUT /dialog/invite")).body, { callid: b, sdp: held });
    await sip.phone(b, { sdp: { us: held, them: Sip.sdp(30000, undefined, { direction: "recvonly" }) } }, "answered");
    await sip.request("PUT /dialog/ok");
    await sip.hangup(a);
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === b);
    await other.idle();
    await other.stop();
    for (const callid of [a, b]) control.table.get(callid).end({ code: 0, status: "" });
  }],
];

module.exports = { scenarios };
