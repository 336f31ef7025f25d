/** Scenarios of how loud calls are in their mix, who speaks, and what channels are asked to be like. */
"use strict";

const Sip = require("../sim/sip.js");
const { talk } = require("./basic.js");
const { answered } = require("./features.js");
const { apart, kill, look } = require("./servers.js");

/** A room of so many callers. */
async function meeting(world, count) {
  const { control, sip } = world;
  control.onnewcall = (call) => control.conference("team").add(call);
  const room = control.conference("team");
  for (let n = 0; n < count; n += 1) await sip.incoming();
  await world.until(() => room.members.length === count, "all in the room");
  return room;
}

/** An offer of a phone that has only IPv6. */
function offer6() {
  const sdp = Sip.sdp(20000);
  sdp.c = [{ nettype: "IN", ipver: 6, address: "2001:db8::7" }];
  return sdp;
}

const scenarios = [
  ["gain and mute reach the channel of the call, and false without one", async (world) => {
    const { control, rtp, check } = world;
    check.equal([await control.table.create({}).gain({ in: 1 }), await control.table.create({}).mute()], [false, false]);
    const { call, uuid } = await answered(world);
    const channel = rtp.channels.get(uuid);
    check.equal([await call.gain({ in: -6 }), await call.gain({ out: 3.5 })], [true, true]);
    check.equal(channel.gain, { in: -6, out: 3.5 });
    check.equal([await call.mute({ in: true }), channel.mute], [true, { in: true }]);
    check.equal([await call.mute(), channel.mute], [true, { in: true, out: true }]);
    check.equal([await call.unmute(), channel.mute], [true, undefined]);
    check.equal(await call.gain({ group: 6 }), false, "no mix to make louder");
  }],

  ["speakers are calls, the loudest first; nobody speaks where nothing is mixed", async (world) => {
    const { rtp, check } = world;
    const { a, b, one, two } = await talk(world);
    check.equal(await world.call(a).speakers(), []);
    rtp.channels.get(two).speaks = 1;
    check.equal((await world.call(a).speakers()).map(({ id }) => id), [b]);
    rtp.channels.get(one).speaks = 2;
    check.equal((await world.call(b).speakers()).map(({ id }) => id), [a, b]);
    await world.call(a).unmix();
    check.equal(await world.call(a).speakers(), []);
  }],

  ["a room's gain is for all who come, its speakers are its members", async (world) => {
    const { control, sip, rtp, check } = world;
    check.equal([await control.conference("none").gain(3), await control.conference("none").speakers()], [false, []]);
    control.conferences.delete("none");
    const room = await meeting(world, 2);
    check.equal(await room.gain(-3), true);
    const last = await sip.incoming();
    await world.until(() => room.members.length === 3, "the third");
    const { uuid } = world.call(last).metadata.channel;
    await world.until(() => rtp.channels.get(uuid).gain?.group === -3, "the same gain for the third");
    rtp.channels.get(uuid).speaks = 1;
    check.equal((await room.speakers()).map(({ id }) => id), [last]);
  }],

  ["a room on two servers: each is told the gain and asked who speaks", async (world) => {
    const { control, check } = world;
    const rtps = await world.morertp(2);
    const { call, second } = await apart(world, ...rtps);
    const room = control.conference("team");
    check.equal([await room.add(call), await room.add(second), await room.gain(2)], [true, true, true]);
    const told = rtps.map(({ channels }) => [...channels.values()].filter(({ gain }) => gain?.group === 2).length);
    check.equal(told, [1, 1]);
    for (const rtp of rtps) for (const channel of rtp.channels.values()) channel.speaks = 1;
    check.equal((await room.speakers()).map(({ id }) => id), [call.id, second.id], "and not the links between them");
  }],

  ["a call that is moved to another server stays as loud and as mute as it was", async (world) => {
    const { check } = world;
    const rtps = await world.morertp(2);
    const { call, uuid } = await answered(world);
    await call.gain({ in: -6 });
    await call.mute({ in: true });
    const here = rtps.find(({ channels }) => channels.has(uuid));
    await kill(here);
    await look(world);
    const there = rtps.find((one) => one !== here);
    await world.until(() => there.channels.get(call.metadata.channel?.uuid)?.mute, "mute there");
    const { gain, mute } = there.channels.get(call.metadata.channel.uuid);
    check.equal([gain, mute], [{ in: -6 }, { in: true }]);
  }],

  ["channels are asked for an address and a jitter buffer: of the settings, of the call", async (world) => {
    const { control, sip, rtp, check } = world;
    const asked = () => rtp.log.filter(({ method, path }) => method === "POST" && path === "/channel").map(({ body: { ip, jitter } }) => ({ ip, jitter }));
    control.media = { jitter: { min: 20, max: 200 } };
    control.onnewcall = async (call) => {
      await call.answer({ media: { ip: "ipv4" } });
      call.newcall({ to: "1001", media: { jitter: { max: 60 } } });
    };
    await sip.incoming();
    await sip.outgoing("1001");
    check.equal(asked(), [{ ip: "ipv4", jitter: { min: 20, max: 200 } }, { jitter: { max: 60 } }]);
  }],

  ["an offer of IPv6 gets an address of IPv6, or 488 where there is none", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming({ sdp: { them: offer6(), us: {} } });
    check.equal((await sip.request("PUT /dialog/hangup")).body, { callid: a, code: 488 });
    await sip.hangup(a);
    rtp.ipv6 = true;
    await sip.incoming({ sdp: { them: offer6(), us: {} } });
    const { body } = await sip.request("PUT /dialog/answer");
    check.equal(body.sdp.c, [{ nettype: "IN", ipver: 6, address: "::1" }]);
  }],
];

module.exports = { scenarios };
