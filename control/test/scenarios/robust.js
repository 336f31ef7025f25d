/** Scenarios of what goes wrong: order, repetition, loss, errors of scripts, bad requests, servers that are gone. */
"use strict";

const Sip = require("../sim/sip.js");
const { dial, talk } = require("./basic.js");

const snapshot = (callid, change = {}) => ({
  callid, seq: 1, event: "new", domain: "bling.babblevoice.com", from: "1000", to: "1003", maxforwards: 70, originator: false,
  ring: false, answered: false, hold: false, hangup: false, error: { code: 0, status: "" }, sdp: { them: Sip.sdp(20000), us: {} }, ...change,
});

/** Method, path, body, status wanted. */
const BROKEN = [
  ["PUT", "/dialog/x", "{", 400],
  ["PUT", "/dialog/x", "5", 400],
  ["PUT", "/dialog", "{}", 400],
  ["PUT", "/dialog/%zz", "{}", 400],
  ["GET", "/dialog/x", undefined, 405],
  ["PATCH", "/calls", "{}", 405],
  ["GET", "/nothing", undefined, 404],
  ["GET", "/", undefined, 404],
];

/** Notes callbacks of a call as they run. */
function note(call, notes) {
  for (const name of ["onringing", "onanswer", "onhold", "onoffhold", "onhangup", "onreporting"]) call[name] = () => notes.push(name.slice(2));
}

const scenarios = [
  ["a repeated or stale snapshot changes nothing", async (world) => {
    const notes = [];
    world.control.onnewcall = (call) => {
      notes.push("newcall");
      note(call, notes);
    };
    const put = (change) => world.ask("PUT", "/dialog/c-1", snapshot("c-1", change));
    await put({ seq: 1 });
    await put({ seq: 1 });
    await put({ seq: 3, answered: true, event: "answered" });
    await put({ seq: 2, ring: true, event: "ringing" });
    await put({ seq: 3, answered: true, event: "answered" });
    await world.turn();
    world.check.equal(world.call("c-1").ringing, false);
    await put({ seq: 4, answered: true, hangup: true, event: "hangup" });
    await put({ seq: 1 });
    await world.until(() => notes.includes("reporting"), "the report");
    world.check.equal(notes, ["newcall", "answer", "hangup", "reporting"]);
  }],

  ["a skipped snapshot loses no callback", async (world) => {
    const notes = [];
    world.control.onnewcall = (call) => note(call, notes);
    await world.ask("PUT", "/dialog/c-1", snapshot("c-1"));
    await world.ask("PUT", "/dialog/c-1", snapshot("c-1", { seq: 9, ring: true, answered: true, hangup: true, event: "hangup" }));
    await world.until(() => notes.includes("reporting"), "the report");
    world.check.equal(notes, ["ringing", "answer", "hangup", "reporting"]);
    world.check.equal(world.rtp.opened, 0);
  }],

  ["the snapshots of a SIP server without seq are taken as they come", async (world) => {
    const notes = [];
    world.control.onnewcall = (call) => note(call, notes);
    for (const change of [{}, { ring: true }, { ring: true }, { ring: true, answered: true }, { hangup: true }]) {
      await world.ask("PUT", "/dialog/old", snapshot("old", { seq: undefined, event: undefined, ...change }));
    }
    await world.until(() => notes.includes("reporting"), "the report");
    world.check.equal(notes, ["ringing", "answer", "hangup", "reporting"]);
  }],

  ["callbacks stack in the order set, and each runs once", async (world) => {
    const order = [];
    world.control.onnewcall = () => order.push(1);
    world.control.onnewcall = (call) => {
      order.push(2);
      call.onanswer = () => order.push(3);
      call.onanswer = () => order.push(4);
      call.answer();
    };
    await world.sip.incoming();
    await world.until(() => order.length === 4, "callbacks");
    const [call] = world.control.table.list();
    call.onanswer = () => order.push(5);
    call.answer();
    await world.until(() => order.length === 5, "the late callback");
    world.check.equal(order, [1, 2, 3, 4, 5]);
  }],

  ["a callback that throws ends its unanswered call with 500 and disturbs nothing else", async (world) => {
    const { control, sip, check } = world;
    world.expectserrors = true;
    const seen = [];
    control.onnewcall = (call) => {
      if (call.destination === "bad") throw new RangeError("script is broken");
    };
    control.onnewcall = (call) => seen.push(call.destination);
    const bad = await sip.incoming({ to: "bad" });
    await sip.incoming({ to: "good" });
    check.equal((await sip.request("PUT /dialog/hangup")).body, { callid: bad, code: 500 });
    check.equal(seen, ["bad", "good"]);
    check.equal(sip.count("PUT /dialog/hangup"), 1);
    check.ok(new RegExp(`${bad}.*onnewcall[^]*RangeError: script is broken[^]*robust`).test(world.errors[0]), `stack and call in the log: ${world.errors[0]}`);
    check.equal((await world.ask("GET", "/status")).json.errors, 1);
  }],

  ["a callback that rejects is treated the same, and an answered call goes on", async (world) => {
    const { control, sip, check } = world;
    world.expectserrors = true;
    control.onnewcall = async (call) => {
      if (call.destination === "late") await call.answer();
      await Promise.reject(new Error("rejected"));
    };
    await sip.incoming({ to: "early" });
    check.equal((await sip.request("PUT /dialog/hangup")).body.code, 500);
    const late = await sip.incoming({ to: "late" });
    await world.until(() => world.errors.length === 2, "both errors");
    check.equal(world.call(late).hungup, false);
  }],

  ["bodies of many requests at once stay apart", async (world) => {
    const { control, check } = world;
    const seen = new Map();
    control.onnewcall = (call) => seen.set(call.info.callid, call.info.padding);
    const all = Array.from({ length: 100 }, (_, n) => [`many-${n}`, String(n).repeat(4000)]);
    await Promise.all(all.map(([callid, padding]) => world.ask("PUT", `/dialog/${callid}`, snapshot(callid, { padding }))));
    await world.until(() => seen.size === all.length, "all calls");
    for (const [callid, padding] of all) check.ok(seen.get(callid) === padding, `body of ${callid}`);
    check.equal((await world.ask("GET", "/calls")).json.length, 100);
    await Promise.all(all.map(([callid]) => world.ask("PUT", `/dialog/${callid}`, snapshot(callid, { seq: 2, hangup: true }))));
  }],

  ["bad requests are told what is wrong with them", async (world) => {
    for (const [method, path, body, status] of BROKEN) {
      const answer = await world.ask(method, path, body);
      world.check.equal(answer.status, status, `${method} ${path}`);
      world.check.ok(answer.json.error && answer.json.detail, "error and detail");
    }
    const large = await world.ask("PUT", "/dialog/x", JSON.stringify({ padding: "x".repeat(2 << 20) })).catch(() => ({ status: 413 }));
    world.check.equal(large.status, 413);
  }],

  ["hang-up while the channel is being opened leaves no channel", async (world) => {
    const { control, sip, rtp } = world;
    let release;
    rtp.refusals.set("POST /channel", async ({ body }) => {
      await new Promise((resolve) => (release = resolve));
      rtp.refusals.clear();
      return rtp.reply({ method: "POST", path: "/channel", body });
    });
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming();
    await world.until(() => release, "the request for a channel");
    await sip.hangup(a, 487);
    await world.until(() => !world.call(a), "the end");
    release();
    await rtp.until(() => rtp.opened === 1 && rtp.channels.size === 0, "the channel given back");
    world.check.equal(sip.count("PUT /dialog/answer"), 0);
  }],

  ["hang-up while the INVITE is being placed cancels it", async (world) => {
    const { control, sip } = world;
    let release;
    sip.refusals.set("POST /dialog/invite", async ({ body }) => {
      await new Promise((resolve) => (release = resolve));
      return sip.reply({ method: "POST", path: "/dialog/invite", body });
    });
    control.onnewcall = (call) => call.newcall({ to: "1003" });
    const a = await sip.incoming();
    await world.until(() => release, "the INVITE");
    await sip.hangup(a, 487);
    await world.until(() => !world.call(a), "the end");
    release();
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid.startsWith("out"));
  }],

  ["the event of a call of ours may come before the answer to its INVITE", async (world) => {
    const { control, sip, check } = world;
    const told = [];
    sip.refusals.set("POST /dialog/invite", async ({ body }) => {
      const answer = sip.reply({ method: "POST", path: "/dialog/invite", body });
      await sip.ring(answer.json.callid);
      await sip.answer(answer.json.callid);
      return answer;
    });
    control.onnewcall = (call) => {
      told.push("new");
      note(call.newcall({ to: "1003" }), told);
    };
    const a = await sip.incoming();
    await world.until(() => world.call(a).answered, "the caller answered");
    check.equal(told, ["new", "ringing", "answer"]);
  }],

  ["a SIP server that forgets a call does not leave it here", async (world) => {
    const { control, sip } = world;
    control.onnewcall = (call) => call.answer();
    const a = await sip.incoming();
    await world.until(() => world.call(a)?.answered, "answered");
    sip.calls.delete(a);
    world.check.equal(await world.call(a).hangup(), true);
  }],

  ["a SIP server that is gone: the hang-up ends the call here and its channel there", async (world) => {
    const { sip, rtp } = world;
    const { a } = await talk(world);
    await sip.stop();
    sip.stop = async () => {};
    const call = world.call(a);
    world.check.equal(await call.hangup(), true);
    await rtp.until(() => rtp.channels.size === 0, "channels closed");
    sip.calls.clear();
  }],

  ["an RTP server that is gone: the caller gets 503", async (world) => {
    const { control, sip, rtp, check } = world;
    await rtp.stop();
    rtp.stop = async () => {};
    control.onnewcall = (call) => call.answer();
    await sip.incoming();
    check.equal((await sip.request("PUT /dialog/hangup")).body.code, 503);
  }],

  ["a mix that fails ends both calls", async (world) => {
    const { sip, rtp } = world;
    world.expectserrors = true;
    rtp.refusals.set("PUT /channel/channel-1/mix", () => ({ status: 500, json: { error: "internal" } }));
    const { a, b } = await dial(world);
    await sip.answer(b);
    for (const leg of [a, b]) await sip.request("PUT /dialog/hangup", ({ callid }) => callid === leg);
  }],

  ["channel events: digits reach ondtmf and who waits for them, stale ones do not", async (world) => {
    const { control, sip, rtp, check } = world;
    const digits = [];
    let got;
    control.onnewcall = async (call) => {
      call.ondtmf = (_, digit) => digits.push(digit);
      await call.answer();
      got = await call.waitfortelevents(/[0-9]{2}#/, 5000);
    };
    await sip.incoming();
    await rtp.until(() => rtp.channels.get("channel-1")?.target, "the channel");
    for (const event of ["1", "4", "2", "#"]) await rtp.event("channel-1", { action: "telephone-event", event, durationms: 100 });
    await world.ask("PUT", "/channel/channel-1", { seq: 2, action: "telephone-event", event: "9" });
    await world.until(() => got, "the digits");
    check.equal([got, digits], ["42#", ["1", "4", "2", "#"]]);
    check.equal((await world.ask("PUT", "/channel/nobody", {})).status, 404);
  }],

  ["digits by INFO count as well", async (world) => {
    const { control, sip, check } = world;
    let got;
    control.onnewcall = async (call) => {
      await call.answer();
      got = await call.waitfortelevents(/7/);
    };
    const a = await sip.incoming();
    await world.until(() => world.call(a)?.answered, "answered");
    await sip.phone(a, { digits: "7" }, "dtmf");
    await world.until(() => got, "the digit");
    check.equal(got, "7");
  }],

  ["a channel that the RTP server loses, or that falls silent, ends its call", async (world) => {
    const { control, sip, rtp } = world;
    const media = new Map();
    control.onnewcall = (call) => call.answer();
    control.onreporting = (call) => media.set(call.id, call.cdr.media);
    const a = await sip.incoming();
    const b = await sip.incoming();
    await rtp.until(() => rtp.channels.get("channel-2")?.target, "both channels");
    for (const count of [7, 9]) await rtp.event("channel-1", { action: "close", reason: "idle", stats: { in: { count }, out: { count: 8 } } });
    rtp.channels.delete("channel-1");
    await rtp.event("channel-2", { action: "media", event: "timeout" });
    for (const leg of [a, b]) await sip.request("PUT /dialog/hangup", ({ callid }) => callid === leg);
    await world.until(() => media.size === 2, "both reports");
    world.check.equal(media.get(a), { in: { count: 7 }, out: { count: 8 } }, "what was told first");
    world.check.equal(rtp.count("DELETE /channel/channel-1"), 0);
  }],

  ["onreporting comes last, with the statistics of the channel", async (world) => {
    const { control, check } = world;
    const reports = [];
    control.onreporting = (call) => reports.push([call.hungup, call.metadata.channel?.stats, call.history.length > 3]);
    const { a } = await talk(world);
    await world.sip.hangup(a);
    await world.until(() => reports.length === 2, "both reports");
    for (const report of reports) check.equal(report, [true, { in: { count: 0 }, out: { count: 0 } }, true]);
  }],

  ["registrations: path or body, object or text", async (world) => {
    const { control, ask, check } = Object.assign(world, { ask: world.ask.bind(world) });
    const seen = [];
    control.onreg = (reg) => seen.push(["on", reg.domain, reg.user, JSON.parse(reg).host]);
    control.ondereg = (reg) => seen.push(["off", reg.domain, reg.user]);
    await ask("PUT", "/reg/bling.babblevoice.com/1003", { host: "127.0.0.1", port: 45646, agent: "Z 5.2", user: "1003@bling.babblevoice.com" });
    await ask("POST", "/reg", { domain: "bling.babblevoice.com", user: "1000" });
    await ask("DELETE", "/reg/bling.babblevoice.com/1003");
    await ask("DELETE", "/reg", { domain: "bling.babblevoice.com", user: "1000" });
    check.equal((await ask("POST", "/reg", { user: "1000" })).status, 400);
    await world.until(() => seen.length === 4, "all four");
    const d = "bling.babblevoice.com";
    check.equal(seen, [["on", d, "1003", "127.0.0.1"], ["on", d, "1000", undefined], ["off", d, "1003"], ["off", d, "1000"]]);
  }],

  ["calls can be looked at over HTTP", async (world) => {
    const { check } = world;
    const { a, b } = await talk(world);
    check.equal((await world.ask("GET", "/calls")).json.sort(), [a, b].sort());
    const { json } = await world.ask("GET", `/calls/${a}`);
    check.equal([json.callid, json.family, json.callinfo.answered], [a, { children: [b] }, true]);
    check.ok(json.channel.port > 0 && json.history.length > 2, "channel and history");
    check.equal((await world.ask("GET", "/calls/none")).status, 404);
    check.equal((await world.ask("GET", "/status")).json.calls.active, 2);
    check.equal((await world.ask("GET", "/health")).status, 200);
  }],

  ["draining: new calls get 503, those that are go on", async (world) => {
    const { sip, check } = world;
    const { a } = await talk(world);
    await world.ask("POST", "/drain");
    check.equal((await world.ask("GET", "/ready")).status, 503);
    check.equal((await world.ask("PUT", "/dialog/next", snapshot("next"))).status, 503);
    await sip.hangup(a);
    await world.until(() => !world.call(a), "the end");
  }],

  ["a full table refuses new calls with 503", async (world) => {
    world.control.maxcalls = 1;
    await world.sip.incoming();
    const { status, json } = await world.ask("PUT", "/dialog/more", snapshot("more"));
    world.check.equal([status, json.error], [503, "full"]);
  }],

  ["a token is asked for if one is set", async (world) => {
    const { control, host, check } = world;
    control.us.token = "s3cret";
    check.equal((await world.ask("GET", "/calls")).status, 401);
    const { port } = control.us;
    const sent = { host: "127.0.0.1", port, method: "GET", path: "/calls", headers: { authorization: "Bearer s3cret" }, timeoutms: 5000 };
    check.equal((await host.request(sent)).status, 200);
  }],

  ["an open listener needs a token or a word", async ({ control, host, check }) => {
    const other = new control.constructor({ ...host, guard: undefined, defaults: { us: "0.0.0.0:0" }, log: () => {} });
    const outcome = await other.run().then(() => "runs", (error) => error.message);
    check.ok(/us\.token/.test(outcome), outcome);
  }],

  ["a call taken over in mid-call can be hung up", async (world) => {
    const { control, sip } = world;
    control.onnewcall = () => world.errors.push("onnewcall must not run");
    const a = await sip.incoming({ answered: true, seq: 7, event: "reinvite" });
    await world.until(() => world.call(a), "the call");
    await world.call(a).hangup();
    await sip.request("PUT /dialog/hangup", ({ callid }) => callid === a);
  }],

  ["the directory is told until the SIP server is there", async (world) => {
    const { control, sip, check } = world;
    check.equal(await control.directory("bling.babblevoice.com", [{ username: "1003", secret: "1123654789" }]), true);
    check.equal(sip.directory.get("bling.babblevoice.com"), { control: control.url, users: [{ username: "1003", secret: "1123654789" }] });
    sip.refusals.set("PUT /dir", () => ({ status: 400, json: { error: "bad_field", detail: "users" } }));
    world.expectserrors = true;
    check.equal(await control.directory("bling.babblevoice.com", []), false);
    check.throws(() => control.directory("x", "y"), /TypeError/);
  }],
];

module.exports = { scenarios };
