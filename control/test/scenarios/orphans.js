/** Scenarios of what is left when an answer comes too late, or when we were not there: no channel and no call stays. */
"use strict";

const { talk } = require("./basic.js");

/** One answer comes later than anybody waits for it, when what `hold` returns resolves; for all others there is the usual time. */
function late({ control }, server, start, hold = () => new Promise((resolve) => server.host.timer(300, resolve))) {
  const { trylimit } = control.times;
  control.times.trylimit = 100;
  server.refusals.set(start, async (entry) => {
    server.refusals.delete(start);
    control.times.trylimit = trylimit;
    await hold();
    return server.reply(entry);
  });
}

const scenarios = [
  ["a channel that is opened after we gave up is found by its id and given back", async (world) => {
    const { control, sip, rtp, check } = world;
    let letgo;
    late(world, rtp, "POST /channel", () => new Promise((resolve) => (letgo = resolve)));
    let answered;
    control.onnewcall = async (call) => (answered = await call.answer());
    const a = await sip.incoming();
    check.equal((await sip.request("PUT /dialog/hangup")).body, { callid: a, code: 503 });
    const { id } = (await rtp.request("POST /channel")).body;
    check.ok(id.startsWith(`${control.url}/call-`), id);
    check.equal(rtp.opened, 0, "not yet");
    letgo();
    await world.until(() => rtp.opened === 1 && rtp.channels.size === 0, "the late channel, given back");
    await sip.hangup(a);
    check.equal(answered, false);
  }],

  ["with another RTP server the call goes on there, and the late channel is given back", async (world) => {
    const { control, sip, check } = world;
    const rtps = await world.morertp(2);
    control.random = () => 0;
    late(world, rtps[0], "POST /channel");
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming();
    await world.until(() => world.call(a).answered, "the answer");
    check.equal(rtps[1].channels.size, 1);
    await world.until(() => rtps[0].opened === 1 && rtps[0].channels.size === 0, "given back");
  }],

  ["a channel that could not be closed is closed later", async (world) => {
    const { control, sip, rtp, check } = world;
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming();
    await world.until(() => world.call(a).answered, "the answer");
    control.times.tryagain = [];
    late(world, rtp, "DELETE /channel");
    rtp.reply = ((reply) => (entry) => (entry.method === "DELETE" && rtp.count("DELETE /channel") === 1 ? { status: 500 } : reply.call(rtp, entry)))(rtp.reply);
    await sip.hangup(a);
    await world.until(() => rtp.channels.size === 0, "given back");
    check.equal(rtp.count("DELETE /channel"), 2);
  }],

  ["an INVITE that a SIP server may have seen is not placed with another", async (world) => {
    const { control, check } = world;
    const [first, second] = await world.moresip();
    control.random = () => 0;
    world.rtp.refusals.set("POST /channel", (entry) => {
      late(world, first, "POST /dialog/invite");
      return world.rtp.reply(entry);
    });
    const call = control.newcall({ from: "1000@bling.babblevoice.com", to: "1003@bling.babblevoice.com" });
    await world.until(() => call.callinfo.callid, "the call placed");
    check.equal([call.dialog.server.port, first.calls.size, second.calls.size, call.haserror], [first.port, 1, 0, false]);
    await first.until(() => first.calls.get(call.id)?.announced, "its first event");
    await first.hangup(call.id);
  }],

  ["calls that ended while we were not there leave no channel, the others keep theirs", async (world) => {
    const { control, sip, rtp, check, host } = world;
    const { a, b, one, two } = await talk(world);
    control.callbacks.clear();
    control.onnewcall = (call) => call.answer();
    const gone = await sip.incoming();
    await world.until(() => world.call(gone).answered && rtp.channels.size === 3, "a third channel");
    sip.calls.get(a).sdp.us = control.table.get(a).session.local;
    const strange = rtp.reply({ method: "POST", path: "/channel", body: { id: "of somebody else" } }).json.uuid;
    await control.idle();
    await control.stop();
    sip.calls.delete(gone);
    const other = new control.constructor({ ...host, guard: undefined, defaults: {}, log: () => undefined });
    Object.assign(other.times, control.times);
    Object.assign(other.sip, { port: sip.port });
    Object.assign(other.rtp, { port: rtp.port });
    other.us.port = control.us.port;
    await other.run();
    await other.idle();
    check.equal([...rtp.channels.keys()], [one, two, strange].sort());
    rtp.channels.delete(strange);
    sip.controlport = rtp.controlport = other.us.port;
    for (const callid of [a, b]) await sip.hangup(callid);
    await rtp.until(() => rtp.channels.size === 0, "channels closed");
    await other.idle();
    await other.stop();
    for (const callid of [a, b, gone]) control.table.get(callid).end({ code: 0, status: "" });
  }],
];

module.exports = { scenarios };
