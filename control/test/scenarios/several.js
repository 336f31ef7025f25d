/** Scenarios of more than two: ring groups, gateways, transfers, calls by HTTP. Each is `[claim, async (world) => …]`. */
"use strict";

const Sip = require("../sim/sip.js");
const { talk } = require("./basic.js");

/** Three that ring together for one caller. */
async function group(world) {
  const { control, sip } = world;
  let children;
  control.onnewcall = (call) => {
    children = call.newcall([{ to: "1001" }, { to: { user: "1002" } }, "1003"]);
  };
  const a = await sip.incoming({ to: "600" });
  const legs = [];
  for (const user of ["1001", "1002", "1003"]) legs.push((await sip.outgoing(user)).callid);
  return { a, legs, children };
}

const scenarios = [
  ["ring all: the first answer wins, the others are told that it was answered elsewhere", async (world) => {
    const { sip, rtp, check } = world;
    const { a, legs, children } = await group(world);
    check.equal(children.length, 3);
    for (const leg of legs) await sip.ring(leg);
    await sip.answer(legs[1]);
    for (const loser of [legs[0], legs[2]]) {
      const { body } = await sip.request("PUT /dialog/hangup", ({ callid }) => callid === loser);
      check.ok(/elsewhere/.test(body.headers.Reason), "reason");
    }
    await world.until(() => world.call(a).answered, "the caller answered");
    await world.until(() => rtp.mixed(world.call(a).metadata.channel.uuid, children[1].metadata.channel.uuid), "the mix");
    await world.until(() => rtp.channels.size === 2, "the losers' channels closed");
    check.equal(world.call(a).metadata.family.children.length, 1);
    check.equal(sip.count("PUT /dialog/ring"), 1, "caller told once that it rings");
  }],

  ["ring all: two answer at once, one is kept", async (world) => {
    const { sip, check } = world;
    const { a, legs } = await group(world);
    await Promise.all([sip.answer(legs[0]), sip.answer(legs[2])]);
    await world.until(() => world.call(a).answered, "the caller answered");
    await world.until(() => world.call(a).others.length === 1, "one left");
    check.equal(sip.count("PUT /dialog/answer"), 1);
  }],

  ["ring all: all fail, the caller hears busy if one was busy", async (world) => {
    const { sip, check } = world;
    const { a, legs } = await group(world);
    await sip.hangup(legs[0], 404, "Not Found");
    await sip.hangup(legs[1], 486, "Busy Here");
    check.equal(sip.count("PUT /dialog/hangup"), 0, "caller stays while one rings");
    await sip.hangup(legs[2], 480, "Temporarily Unavailable");
    check.equal((await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a)).body.code, 486);
  }],

  ["ring all: one that cannot be reached does not disturb the others", async (world) => {
    const { sip } = world;
    sip.refusals.set("POST /dialog/invite", ({ body }) => (body.to.user === "1002" ? { status: 404, json: {} } : sip.reply({ method: "POST", path: "/dialog/invite", body })));
    world.control.onnewcall = (call) => call.newcall(["1001", "1002"]);
    const a = await sip.incoming({ to: "600" });
    const { callid } = await sip.outgoing("1001");
    await sip.answer(callid);
    await world.until(() => world.call(a).answered, "the caller answered");
  }],

  ["a gateway gives domain, identity and secret", async (world) => {
    const { control, sip, check } = world;
    control.gw = { from: { user: "trunk", domain: "carrier.example", authsecret: "s3cret" }, to: { domain: "carrier.example" }, cid: { number: "442000", private: true }, codecs: ["pcma"] };
    control.onnewcall = (call) => call.newcall({ to: { user: "07700900000" }, forward: true });
    await sip.incoming({ to: "907700900000" });
    const { body } = await sip.request("POST /dialog/invite");
    check.equal(body.from, { user: "trunk", domain: "carrier.example", authsecret: "s3cret" });
    check.equal(body.to, { user: "07700900000", domain: "carrier.example" });
    check.equal(body.cid, { number: "442000", name: "1000", private: true });
    check.equal(body.sdp.m[0].payloads, [8]);
  }],

  ["a call passed on too often ends with 483", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = (call) => call.newcall({ to: "1003" });
    await sip.incoming({ maxforwards: 1 });
    check.equal((await sip.request("PUT /dialog/hangup")).body.code, 483);
    check.equal(sip.count("POST /dialog/invite"), 0);
  }],

  ["newcall without a destination is a TypeError", async ({ control, check }) => {
    check.throws(() => control.newcall({}), /TypeError.*to/);
    check.throws(() => control.newcall({ to: "1003", codecs: ["opus"] }), /TypeError.*opus.*pcmu/);
    check.throws(() => (control.onnewcall = 5), /TypeError/);
  }],

  ["POST /invite calls from first, then runs onnewcall with to as the destination", async (world) => {
    const { control, sip, check } = world;
    const dialled = [];
    control.onnewcall = (call) => {
      dialled.push(call.destination, call.identity.user);
      call.newcall({ to: call.destination });
    };
    const { status, json } = await world.ask("POST", "/invite", { domain: "bling.babblevoice.com", from: "1000", to: "1003", maxforwards: 70, callerid: { number: "123", name: "123", private: false } });
    check.equal(status, 200);
    const first = await sip.request("POST /dialog/invite");
    check.equal([first.body.to.user, first.body.cid.number], ["1000", "123"]);
    check.equal(dialled, []);
    await sip.outgoing("1000");
    await sip.answer(json.callid);
    const second = await sip.outgoing("1003");
    check.equal(second.from, "1000");
    await sip.answer(second.callid);
    await world.until(() => world.call(second.callid).history.some(({ what }) => what === "Mix"), "the mix");
    check.equal(dialled, ["1003", "1000"]);
  }],

  ["POST /invite with an array answers an array, and tells of those that failed", async (world) => {
    const { sip, check } = world;
    sip.refusals.set("POST /dialog/invite", ({ body }) => (body.to.user === "1002" ? { status: 480, json: {} } : sip.reply({ method: "POST", path: "/dialog/invite", body })));
    const wish = { domain: "bling.babblevoice.com", to: "1003" };
    const { status, json } = await world.ask("POST", "/invite", [{ ...wish, from: "1001" }, { ...wish, from: "1002" }]);
    check.equal([status, typeof json[0].callid, json[1].code], [200, "string", 480]);
    check.equal((await world.ask("POST", "/invite", { ...wish, from: "1002" })).status, 480);
    check.equal((await world.ask("POST", "/invite", { from: "1002" })).status, 400);
  }],

  ["blind transfer: the other side runs through onnewcall with the new destination", async (world) => {
    const { sip, rtp, check } = world;
    const { a, b, one, two } = await talk(world);
    await sip.phone(b, { refer: { to: "1005" } }, "refer");
    delete sip.calls.get(b).refer;
    const { callid } = await sip.until(() => [...sip.calls.values()].find((call) => call.announced && call.to === "1003" && call.callid !== b), "the next call");
    check.ok(!rtp.mixed(one, two), "unmixed");
    check.equal(world.call(a).destination, "1005");
    check.equal(world.call(a).info.refer.referedby === world.call(b), true);
    await sip.answer(callid);
    const { body } = await sip.request("PUT /dialog/notify");
    check.equal(body, { callid: b, status: 200 });
    await sip.hangup(b);
    await world.until(() => rtp.mixed(one, world.call(callid).metadata.channel.uuid), "the new mix");
    check.ok(!world.call(a).hungup, "the transferred call lives on");
  }],

  ["attended transfer: the two others are linked and mixed", async (world) => {
    const { control, sip, rtp, check } = world;
    const { a, b, one } = await talk(world);
    control.callbacks.clear();
    control.onnewcall = (call) => call.newcall({ to: "1004" });
    const c = await sip.incoming({ from: "1003", to: "1004" });
    const d = (await sip.outgoing("1004")).callid;
    await sip.answer(d, Sip.sdp(33000));
    await world.until(() => world.call(d).history.some(({ what }) => what === "Mix"), "the second mix");
    await sip.phone(c, { refer: { to: "1000", replaces: b } }, "refer");
    check.equal((await sip.request("PUT /dialog/notify")).body, { callid: c, status: 200 });
    check.ok(rtp.mixed(one, world.call(d).metadata.channel.uuid), "mixed");
    await sip.hangup(b);
    await sip.hangup(c);
    await world.turn();
    check.equal([world.call(a).hungup, world.call(d).hungup], [false, false]);
    await sip.hangup(d);
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a);
  }],

  ["a transfer of a call that talks to nobody is told to the phone", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming();
    await sip.request("PUT /dialog/answer");
    await world.until(() => world.call(a).answered, "answered");
    await sip.phone(a, { refer: { to: "1005" } }, "refer");
    check.equal((await sip.request("PUT /dialog/notify")).body.status, 481);
  }],

  ["a script that plays until the callee answers: the music stops before the mix", async (world) => {
    const { control, sip, rtp, check } = world;
    const soup = { loop: true, files: [{ wav: "music.wav" }] };
    control.onnewcall = (call) => {
      call.onanswer = () => {
        call.play(soup);
        call.newcall({ to: "1003" });
      };
      call.answer();
    };
    await sip.incoming();
    const { callid } = await sip.outgoing("1003");
    await rtp.request("PUT /channel/channel-1/play");
    await sip.answer(callid);
    await rtp.request("PUT /channel/channel-2/mix/channel-1");
    check.equal(rtp.channels.get("channel-1").playing, undefined);
    check.equal(rtp.channels.get("channel-2").near, "channel-1");
  }],

  ["a call that is over and its media hold themselves by no cycle: where references are counted they are free at once", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = (call) => call.newcall([{ to: "1003" }, { to: "1004" }]);
    control.onreporting = (call) => `${call.info.sdp} ${call.cdr}`;
    const a = await sip.incoming();
    const b = (await sip.outgoing("1003")).callid;
    const c = (await sip.outgoing("1004")).callid;
    await sip.ring(b);
    await sip.answer(b);
    await world.until(() => rtp.log.some((entry) => entry.path.includes("/mix/")), "the mix");
    const kept = [a, b, c].flatMap((callid) => parts(world.call(callid)));
    await sip.hangup(a);
    await world.until(() => control.table.size === 0, "the end of all");
    await control.idle();
    // Answers that are on their way hold what asked for them.
    const free = () => kept.every((one) => one.deref() === undefined);
    if (control.host.name === "embedded") await world.until(free, "nothing left for a collector of cycles");
    check.equal(rtp.channels.size, 0);
  }],
];

/** A call and what belongs to it, held weakly. */
function parts(call) {
  if (!call) return [];
  const { dialog, session, progress, metadata } = call;
  return [call, dialog, session, progress, metadata, metadata.family, metadata.channel].filter(Boolean).map((one) => new WeakRef(one));
}

module.exports = { scenarios };
