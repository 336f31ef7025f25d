/**
 * Random scenarios: many calls, scripts and phones that do anything at any time, snapshots lost, repeated and late, servers that refuse.
 * Whatever happened: when all phones have hung up, no call and no channel is left (checked by the runner).
 * A failure names its seed: `SEED=7 node --test` runs it again, `SEED=100 SEEDS=500` others than the usual twelve.
 */
"use strict";

const Sip = require("../sim/sip.js");

const { SEED, SEEDS } = process.env;
const FIRST = Number(SEED) || 1;
const COUNT = Number(SEEDS) || (SEED ? 1 : 12);
const STEPS = 60;
/** Turns of a millisecond for the calls to end in: more than the second that control waits for a last event. */
const ROUNDS = 3000;

/** xorshift32: the same numbers for the same seed. */
function dice(seed) {
  let state = seed | 1;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}

/** One of two rooms. */
function projectroom(call) {
  return call.control.conference(call.id.length % 2 === 0 ? "even" : "odd");
}

const scripts = [
  (call) => call.newcall({ to: "1003" }),
  (call) => call.newcall([{ to: "1001" }, { to: "1002" }, { to: "1003" }]),
  (call) => call.answer(),
  (call) => {
    call.onanswer = () => call.newcall({ to: "1004", lateoffer: true });
    call.answer();
  },
  async (call) => {
    if (!(await call.hunt([{ to: "1001", ms: 20 }, ["1002", "1003"]], { ms: 20 })) && (await call.answer())) call.echo();
  },
  async (call) => {
    await projectroom(call).add(call);
  },
  async (call) => {
    for (const to of ["1001", "1002"]) if (await call.newcall({ to }).waitforanswer()) return;
    call.busy();
  },
  (call) => {
    call.ring();
    call.newcall({ to: "1001" });
    call.newcall({ to: "1002" });
    call.early();
  },
  (call) => call.newcall({ to: "1003", direct: true }),
  (call) => {
    call.onanswer = () => call.record({ file: "talk.wav" });
    call.newcall([{ to: "1001", direct: true }, { to: "1002", direct: true }]);
  },
  (call) => call.hangup(),
  () => undefined,
];

const phones = [
  (sip, callid) => sip.ring(callid),
  (sip, callid) => sip.answer(callid),
  (sip, callid) => sip.hangup(callid, 486, "Busy Here"),
  (sip, callid) => sip.hangup(callid, 488, "Not Acceptable Here"),
  (sip, callid) => sip.hangup(callid),
  (sip, callid) => sip.phone(callid, { hold: true }, "hold"),
  (sip, callid) => sip.phone(callid, { hold: false }, "unhold"),
  (sip, callid) => sip.phone(callid, { digits: "5" }, "dtmf"),
  (sip, callid) => sip.phone(callid, { refer: { to: "1005" } }, "refer"),
  (sip, callid, roll) => sip.phone(callid, { sdp: { them: Sip.sdp(30000 + roll(8) * 2), us: {} } }, ["progress", "reinvite"][roll(2)]),
  (sip, callid, roll) => {
    // An earlier place of a call that is over comes to nothing; of any other the new call takes over.
    const others = [...sip.calls.keys()];
    return sip.incoming({ to: "1003", replaces: others[roll(others.length)] });
  },
  (sip, callid, roll) => {
    const others = [...sip.calls.keys()];
    return sip.phone(callid, { refer: { to: "1005", replaces: others[roll(others.length)] } }, "refer");
  },
];

async function play(world, seed) {
  const { control, sip, rtp } = world;
  const roll = dice(seed * 2654435761);
  // Errors of refused media are part of the game.
  world.expectserrors = true;
  rtp.most = 12;
  sip.filter = (snapshot) => snapshot.event === "hangup" || snapshot.event === "new" || roll(8) > 0;
  // Now and then a channel is opened when nobody waits for it any more.
  Object.assign(control.times, { trylimit: 500, reclaim: [50, 200, 400, 800, 1600, 3200] });
  rtp.refusals.set("POST /channel", async (entry) => {
    if (roll(25) === 0) await new Promise((resolve) => world.host.timer(700, resolve));
    return rtp.reply(entry);
  });
  rtp.refusals.set("PUT /channel", (entry) => (roll(30) === 0 ? { status: 500, json: {} } : rtp.reply(entry)));
  sip.refusals.set("POST /dialog/invite", (entry) => (roll(10) === 0 ? { status: 480, json: {} } : sip.reply(entry)));
  sip.refusals.set("PUT /dialog/", (entry) => (roll(25) === 0 && !entry.path.endsWith("hangup") ? { status: 409, json: {} } : sip.reply(entry)));
  control.moh = { loop: true, files: [{ wav: "music.wav" }] };
  control.onnewcall = (call) => scripts[roll(scripts.length)](call);
  for (let step = 0; step < STEPS; step += 1) {
    const live = [...sip.calls.keys()];
    if (live.length < 4 || roll(5) === 0) sip.incoming({ to: "1003" });
    else {
      const callid = live[roll(live.length)];
      const state = sip.calls.get(callid);
      phones[roll(phones.length)](sip, callid, roll);
      delete state.refer;
      delete state.digits;
      if (roll(10) === 0) world.ask("PUT", `/dialog/${callid}`, { ...state }).catch(() => undefined);
    }
    if (roll(3) > 0) await world.turn();
  }
  // Transfers under way may still place calls: their phones hang up too.
  const busy = () => sip.calls.size + control.table.size + rtp.channels.size > 0;
  for (let round = 0; round < ROUNDS && busy(); round += 1) {
    for (const callid of [...sip.calls.keys()]) sip.hangup(callid);
    await world.turn();
  }
}

function seeded(seed) {
  return [`random calls, seed ${seed}: nothing is left over`, (world) => play(world, seed)];
}

module.exports = { seeded, scenarios: Array.from({ length: COUNT }, (_, index) => seeded(index + FIRST)) };
