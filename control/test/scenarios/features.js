/** Scenarios of what scripts ask for: hunting, redirects, hold by us, transfer by us, limits, records of calls, conferences, recordings. */
"use strict";

const Sdp = require("../../sdp.js");
const Sip = require("../sim/sip.js");
const { dial, talk } = require("./basic.js");

/** A call that a script has answered. */
async function answered(world, fields) {
  const { control, sip } = world;
  let call;
  control.onnewcall = async (one) => {
    call = one;
    await one.answer();
  };
  const callid = await sip.incoming(fields);
  await world.until(() => call?.answered && call.metadata.channel, "the answer");
  const rtps = [world.rtp, ...world.others.filter(({ channels }) => channels)];
  await world.until(() => rtps.some((rtp) => rtp.channels.get(call.metadata.channel.uuid)?.target), "the far end");
  return { call, callid, uuid: call.metadata.channel.uuid };
}

const scenarios = [
  ["hunting calls one after the other, steps of several ring together", async (world) => {
    const { control, sip, check } = world;
    let got;
    control.onnewcall = async (call) => {
      got = await call.hunt([{ to: "1001", ms: 1000 }, ["1002", "1003"], "1004"]);
    };
    const a = await sip.incoming({ to: "600" });
    const first = (await sip.outgoing("1001")).callid;
    const second = (await sip.outgoing("1002")).callid;
    check.equal((await sip.request("PUT /dialog/hangup")).body.callid, first, "the first gave up");
    await sip.outgoing("1003");
    await sip.answer(second);
    await world.until(() => got && world.call(a).answered, "who answered");
    check.equal([got.id, world.call(a).answered, sip.count("POST /dialog/invite")], [second, true, 3]);
  }],

  ["hunting in vain ends the caller with the telling status", async (world) => {
    const { control, sip, check } = world;
    let got;
    control.onnewcall = async (call) => (got = await call.hunt(["1001", "1002"]));
    const a = await sip.incoming({ to: "600" });
    await sip.hangup((await sip.outgoing("1001")).callid, 486, "Busy Here");
    await sip.hangup((await sip.outgoing("1002")).callid, 404, "Not Found");
    check.equal((await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a)).body.code, 486);
    check.equal(got, false);
  }],

  ["whoever nobody answers may be answered by the script, and is not ended", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = async (call) => {
      if (!(await call.hunt([{ to: "1001", ms: call.destination === "600" ? 1000 : 5000 }])) && (await call.answer())) call.echo();
    };
    // Rung in vain, with a phone slow to end; and busy.
    const a = await sip.incoming({ to: "600" });
    const first = await sip.outgoing("1001");
    const b = await sip.incoming({ to: "601" });
    const second = await sip.until(() => [...sip.calls.values()].find((call) => call.originator && call.announced && call !== first), "the second");
    await sip.hangup(second.callid, 486, "Busy Here");
    await world.until(() => [...rtp.channels.values()].filter(({ echo }) => echo).length === 2, "both echo");
    await world.until(() => world.control.table.size === 2, "the phones are let go");
    check.equal([world.call(a).answered, world.call(b).answered], [true, true]);
  }],

  ["a script sees each snapshot as the plain object that was sent, and what it changes there stays", async (world) => {
    const { control, sip, check } = world;
    const seen = [];
    control.onnewcall = (call) => {
      seen.push(JSON.stringify(call.info), Object.keys(call.callinfo).includes("sdp"), call.info === call.callinfo, "callinfo" in { ...call });
      call.info.note = 47;
      call.callinfo.sdp = {};
      seen.push(call.info.note, call.info.sdp);
    };
    const a = await sip.incoming({ headers: { "X-Quote": 'say "hi"' } });
    const { seq, sdp, headers, callid } = sip.calls.get(a);
    await world.until(() => seen.length === 6, "the call");
    const info = JSON.parse(seen[0]);
    check.equal([info.seq, info.sdp, info.headers, info.callid, info.hangup], [seq, sdp, headers, callid, false]);
    check.equal(seen.slice(1), [true, true, true, 47, {}]);
  }],

  ["what is told of a channel that was given back is taken, so that it is not told again; of a strange one it is not", async (world) => {
    const { sip, check } = world;
    const { callid, call } = await answered(world);
    const { uuid } = call.metadata.channel;
    await sip.hangup(callid);
    await world.until(() => world.rtp.channels.size === 0, "given back");
    const tell = async (which) => (await world.ask("PUT", `/channel/${which}`, { action: "close", reason: "requested" })).status;
    check.equal([await tell(uuid), await tell("strange")], [200, 404]);
  }],

  ["a 302 is followed within the domain, as the same call", async (world) => {
    const { sip, check } = world;
    const { a, b } = await dial(world);
    await sip.phone(b, { hangup: true, error: { code: 302, status: "Moved Temporarily" }, contact: "<sip:1005@evil.example;x=y>" }, "hangup");
    const next = await sip.outgoing("1005");
    const { body } = await sip.request("POST /dialog/invite", ({ to }) => to.user === "1005");
    check.equal([body.to.domain, body.maxforwards], [undefined, 68]);
    await sip.answer(next.callid);
    await world.until(() => world.call(a).answered, "the caller answered");
    check.equal([world.call(a).other.id, world.rtp.opened], [next.callid, 2]);
  }],

  ["a 302 in a circle, and one that is not to be followed, are failures", async (world) => {
    const { control, sip, check } = world;
    const moved = (contact) => ({ hangup: true, error: { code: 302, status: "Moved" }, contacts: contact });
    const { a, b } = await dial(world);
    await sip.phone(b, moved(["sip:1003@x"]), "hangup");
    check.equal((await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a)).body.code, 480);
    control.callbacks.clear();
    control.onnewcall = (call) => call.newcall({ to: "1006", follow: false });
    const c = await sip.incoming();
    await sip.phone((await sip.outgoing("1006")).callid, moved(["sip:1007@x"]), "hangup");
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === c);
  }],

  ["redirect sends the caller elsewhere with 302", async (world) => {
    const { control, sip, check } = world;
    control.onnewcall = (call) => call.redirect(["1005", "sip:x@y.example"]);
    const a = await sip.incoming();
    const { body } = await sip.request("PUT /dialog/redirect");
    check.equal(body, { callid: a, contacts: ["sip:1005@bling.babblevoice.com", "sip:x@y.example"] });
  }],

  ["we hold: re-INVITE sendonly, music to who is held, and all of it undone", async (world) => {
    const { control, sip, rtp, check } = world;
    control.moh = { files: [{ wav: "music.wav" }] };
    const { a, b, one, two } = await talk(world);
    const call = world.call(b);
    check.equal(await call.putonhold(), true);
    const { body } = await sip.request("PUT /dialog/invite");
    check.equal([body.callid, body.sdp.m[0].direction, call.hold, call.held], [b, "sendonly", false, true]);
    check.ok(!rtp.mixed(one, two) && rtp.channels.get(two).playing, "music");
    await world.control.channelevent(call, { action: "media", event: "timeout" });
    check.equal(call.dialog.ending, false, "silence on hold is no dead line");
    check.equal(await call.unhold(), true);
    check.ok(rtp.mixed(one, two) && !rtp.channels.get(two).playing, "mixed again");
    check.equal(world.call(a).answered, true);
  }],

  ["we transfer: REFER, attended with the call to take over", async (world) => {
    const { sip, check } = world;
    const { a, b } = await talk(world);
    check.equal(await world.call(b).transfer("1009"), true);
    check.equal((await sip.request("PUT /dialog/refer")).body, { callid: b, to: "1009" });
    check.equal(await world.call(b).transfer(world.call(a)), true);
    check.equal(sip.log.filter(({ path }) => path === "/dialog/refer")[1].body, { callid: b, to: "1000", replaces: a });
  }],

  ["a call ends when its maximum duration is over, counted from the answer", async (world) => {
    const { control, sip, check } = world;
    control.maxduration = 30;
    const { callid } = await answered(world);
    const { body } = await sip.request("PUT /dialog/hangup", (one) => one.callid === callid);
    check.equal(body.reason, "maximum duration");
    control.maxduration = 0;
    const second = await answered(world);
    second.call.maxduration = 10;
    await sip.request("PUT /dialog/hangup", (one) => one.callid === second.callid);
    check.throws(() => (second.call.maxduration = "long"), /TypeError/);
  }],

  ["the record of a call has times, cause, codecs and the statistics of both legs", async (world) => {
    const { control, sip, check } = world;
    const records = [];
    control.onreporting = (call) => records.push(call.cdr);
    const { a, b } = await talk(world);
    await sip.phone(b, { hangup: true, epochsms: { start: 1000, ring: 2000, answer: 5000, end: 9000 }, error: { code: 0, status: "" } }, "hangup");
    await world.until(() => records.length === 2, "both records");
    const [one, two] = [records.find(({ callid }) => callid === b), records.find(({ callid }) => callid === a)];
    check.equal([one.direction, one.ringms, one.talkms, one.totalms, one.endedby, one.answered], ["out", 3000, 4000, 8000, "them", true]);
    check.equal([two.direction, two.endedby, two.destination, one.codecs[0]], ["in", "us", "1003", "PCMA/8000"]);
    check.equal(one.media, { in: { count: 0 }, out: { count: 0 } });
    check.equal(one.legs.map(({ callid, media }) => [callid, [0, 7].includes(media.in.count)]), [[a, true]], "the other leg as it was then, or at its end");
    check.ok(JSON.stringify(records), "plain data");
  }],

  ["a conference: all hear each other, one alone hears music, empty rooms are forgotten", async (world) => {
    const { control, sip, rtp, check } = world;
    control.moh = { files: [{ wav: "music.wav" }] };
    const happened = [];
    const room = control.conference("sales");
    room.onjoin = (call, where) => happened.push(`+${where.name}`);
    room.onleave = () => happened.push("-");
    control.onnewcall = (call) => control.conference("sales").add(call);
    const legs = [];
    for (let n = 0; n < 3; n += 1) legs.push(await sip.incoming({ to: "800" }));
    await world.until(() => room.members.length === 3, "three members");
    const uuids = legs.map((leg) => world.call(leg).metadata.channel.uuid);
    check.ok(rtp.mixed(uuids[0], uuids[1]) && rtp.mixed(uuids[1], uuids[2]), "one mix");
    check.ok(!rtp.channels.get(uuids[0]).playing, "no music in company");
    await sip.hangup(legs[0]);
    await room.remove(world.call(legs[1]));
    await world.until(() => rtp.channels.get(uuids[2]).playing, "music for the last");
    check.equal(world.call(legs[1]).hungup, false);
    await sip.hangup(legs[2]);
    await world.until(() => control.conferences.size === 0, "the room gone");
    check.equal(happened, ["+sales", "+sales", "+sales", "-", "-", "-"]);
  }],

  ["play to its end, record, digits and direction reach the channel", async (world) => {
    const { control, rtp, check } = world;
    const seen = [];
    const { call, uuid } = await answered(world);
    call.onplay = (_, event) => seen.push(event.event);
    call.onrecord = (_, event) => seen.push(event.event);
    const ended = call.playtoend({ files: [{ wav: "hello.wav" }] });
    await rtp.request(`PUT /channel/${uuid}/play`);
    await rtp.event(uuid, { action: "play", event: "start" });
    await rtp.event(uuid, { action: "play", event: "end", reason: "completed" });
    check.equal(await ended, "completed");
    check.equal(await call.record({ file: "a.wav" }), true);
    await rtp.event(uuid, { action: "record", event: "recording", file: "a.wav" });
    check.equal([await call.stoprecord("a.wav"), await call.dtmf("12#", { duration: 80 }), await call.direction({ send: true, recv: false })], [true, true, true]);
    check.equal((await rtp.request(`PUT /channel/${uuid}/dtmf`)).body, { digits: "12#", duration: 80 });
    check.equal(rtp.count(`DELETE /channel/${uuid}/record/a.wav`), 1);
    rtp.refusals.set(`PUT /channel/${uuid}/play`, () => ({ status: 400, json: { error: "bad_file", detail: "no such file" } }));
    check.equal(await call.playtoend({ files: [{ wav: "none.wav" }] }), false);
    const last = call.playtoend.bind(call);
    rtp.refusals.clear();
    const interrupted = last({ files: [] });
    await world.sip.hangup(call.id);
    check.equal(await interrupted, false);
    check.equal(seen, ["start", "end", "recording"]);
    check.equal(control.errors, 0);
  }],

  ["ringback opens early media and plays", async (world) => {
    const { control, sip, rtp } = world;
    control.onnewcall = (call) => call.ringback({ loop: true, files: [{ wav: "ring.wav" }] });
    await sip.incoming();
    await sip.request("PUT /dialog/progress");
    await rtp.until(() => rtp.channels.get("channel-1")?.playing, "the tone");
  }],

  ["codecs: their order or ours, dynamic numbers theirs, iLBC 30 ms if either side wants it", async ({ control, check }) => {
    const offer = Sip.sdp(20000, [0, 8, 9, 98, 96]);
    offer.m[0].rtpmap[98] = { encoding: "iLBC", clock: "8000" };
    offer.m[0].rtpmap[96] = { encoding: "telephone-event", clock: 8000 };
    const agreed = (words, prefer) => Sdp.agree(offer, words, prefer).map(({ payload, fmtp }) => (fmtp ? `${payload} ${fmtp}` : payload));
    check.equal(agreed(["722", "pcma", "pcmu", "ilbc", "2833"]), [0, 8, 9, "98 mode=30", "96 0-16"]);
    check.equal(agreed(["722", "pcma", "ilbc", "2833"], "ours"), [9, 8, "98 mode=30", "96 0-16"]);
    offer.m[0].fmtp = { 98: "mode=20" };
    check.equal(agreed(["ilbc@20"]), ["98 mode=20"]);
    check.equal(agreed(["ilbc@30"]), ["98 mode=30"]);
    check.throws(() => Sdp.agree(offer, ["l16", "2833"]), /no codec in common/);
    const own = Sdp.offer({ ip: "::1", port: 4000, codecs: ["ilbc", "g722", "722", "2833"], sessionid: 5 });
    check.equal([own.m[0].payloads, own.o.ipver], [[97, 9, 101], 6]);
    check.equal(control.prefer, "theirs");
  }],
];

module.exports = { scenarios, answered };
