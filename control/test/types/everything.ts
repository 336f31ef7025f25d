/**
 * Every declared member, used as a script uses it: `tsc --strict` says whether the declarations mean what they should.
 * test/declarations.test.js checks that none is left out here, and that all exist.
 */
import projectcontrol = require("projectcontrol");
import queues = require("projectqueue");

const { collect, menu, voicemail, say } = projectcontrol.ivr;
const soup: projectcontrol.SoundSoup = { loop: true, interrupt: true, files: [{ wav: "a.wav", start: 100, stop: 200, loop: 2 }, ...say.number(47, "en/").files, ...say.spell("10#").files] };

projectcontrol.sip = "http://127.0.0.1:9000";
projectcontrol.rtp = [{ host: "10.0.0.1", port: 9002, standby: true, token: "t" }, "rtp.example:9002"];
Object.assign(projectcontrol.us, { host: "127.0.0.1", port: 9001, listen: "0.0.0.0", token: "secret", insecure: false } satisfies projectcontrol.OwnAddress);
projectcontrol.times.audit = 30_000;
projectcontrol.prefer = "ours";
projectcontrol.media = { ip: "ipv6", jitter: { min: 20, max: 120 } };
projectcontrol.codecs = ["722", "pcma", "pcmu", "ilbc@20", "l16@16", "2833"];
projectcontrol.moh = soup;
projectcontrol.maxcalls = 100;
projectcontrol.maxduration = 4 * 3600_000;
projectcontrol.gw = { from: { user: "u", domain: "d", authsecret: "s", authuser: "a" }, to: { domain: "d" }, cid: { number: "1", name: "n", private: true }, codecs: ["pcma"] };
const gates: number = projectcontrol.gateways.length + (projectcontrol.gw?.codecs?.length ?? 0);

projectcontrol.onreg = (registration) => console.log(registration.user.length, registration.host, registration.port, registration.agent, registration.transport, registration.expires, String(registration));
projectcontrol.ondereg = ({ user, domain }) => console.log(`${user}@${domain}`);
projectcontrol.onmessage = (message) => console.log(message.from, message.to, message.body, message.callerid.number, message.remote.port);
projectcontrol.onringing = (call) => call.cleartelevents();
projectcontrol.onanswer = function (call) {
  const same: boolean = this === call;
  console.log(same);
};
projectcontrol.onhold = projectcontrol.onoffhold = (call) => console.log(call.hold, call.held);
projectcontrol.onhangup = (call) => console.log(call.error?.code, call.error?.message, call.haserror);
projectcontrol.onreporting = ({ cdr }) => {
  const times: number[] = [cdr.start, cdr.ring, cdr.answer, cdr.end, cdr.ringms, cdr.talkms, cdr.totalms, cdr.cause.code];
  console.log(times, cdr.codecs[0], cdr.legs.map(({ callid, media }) => [callid, media]), cdr.history[0]?.what, cdr.endedby === "us");
};

projectcontrol.onnewcall = async (call) => {
  call.onnewcall = call.onringing = call.onanswer = call.onhold = call.onoffhold = call.onhangup = call.onreporting = (one) => console.log(one.id);
  call.ondtmf = (_, digit) => console.log(digit.length);
  call.onplay = call.onmedia = (_, event) => console.log(event.action, event.event, event.reason);
  call.onrecord = (_, event) => console.log(event.file, event.filesize);
  call.history = "seen";
  call.moh = soup;
  call.maxduration = 60_000;
  call.stays = true;
  call.metadata.mine = { anything: true };
  call.info = { ...call.callinfo, digits: "1" };
  const facts: boolean[] = [call.ringing, call.answered, call.hungup, call.originator, call.direct];
  const words: string[] = [call.destination, call.identity.user, call.identity.domain, call.history[0]!.what, call.metadata.channel?.uuid ?? ""];
  const stats: object | null | undefined = call.metadata.channel?.stats;
  console.log(facts, words, stats, call.info.refer?.referedby?.id, call.info.epochsms?.answer, call.info.replaces, call.info.transfer?.over, call.info.contacts?.[0]);

  if (call.destination === "1") return call.busy();
  if (call.destination === "2") return call.notfound();
  if (call.destination === "3") return call.paymentrequired();
  if (call.destination === "4") return call.hangup({ reason: "declined", code: 603, headers: { "X-Why": "so" } });
  if (call.destination === "5") return call.redirect(["1001", "sip:1002@elsewhere.example"]);
  await call.ring("<http://127.0.0.1/ring>");
  await call.early({ codecs: ["pcma"] });
  await call.ringback(soup);
  const one: projectcontrol.Call = call.newcall({ to: { user: "1", domain: "d" }, from: "2", maxforwards: 9, cid: {}, codecs: ["pcmu"], headers: {}, autoanswer: true, lateoffer: true, direct: false, follow: "anywhere", maxduration: 0 });
  const many: projectcontrol.Call[] = call.newcall(["1", { to: "2", forward: true, domain: "d", callerid: { number: "3" } }]);
  const who = await call.hunt([{ to: "1", ms: 5000 }, ["2", "3"]], { ms: 1000 });
  if (who) who.link(one);
  if (!(await call.answer({ codecs: ["pcma", "2833"], media: { ip: "ipv4", jitter: { min: 0, max: 60 } } }))) return undefined;
  const reason: string | false = await call.playtoend(soup, 1000);
  await Promise.all([call.play(soup), call.stop(), call.echo(), call.dtmf("1#", { duration: 100, gap: 50 }), call.direction({ send: true, recv: false })]);
  await call.record({ file: "a.wav", format: "wav", numchannels: 2, startabovepower: -50, finishbelowpower: -60, minduration: 1, maxduration: 2, pause: false });
  await call.stoprecord("a.wav");
  await Promise.all([call.gain({ in: -6, out: 3.5, group: 0 }), call.mute({ in: true }), call.mute(), call.unmute()]);
  const [loudest]: projectcontrol.Call[] = await call.speakers();
  console.log(loudest?.id, await call.metadata.channel?.gain({ in: 0 }), await call.metadata.channel?.mute(), await call.metadata.channel?.unmute());
  await call.putonhold(soup);
  await call.unhold();
  await call.mix(many[0]);
  await call.mix((mixed) => console.log(mixed.id));
  await call.unmix((alone) => console.log(alone.id));
  await call.transfer("1005");
  if (call.other) await call.transfer(call.other);
  call.unlink();
  call.clearcallbacks();
  const cancel: () => void = call.after(1000, () => call.hangup(486));
  cancel();
  const digits: string | undefined = await call.waitfortelevents(/[0-9]{2}#/, 5000);
  const pin = await collect(call, { prompt: soup, invalid: soup, count: 4, terminator: "#", pattern: /^[0-9]+$/, ms: 5000, tries: 2 });
  const chosen = await menu(call, { prompt: soup, choices: { 1: (caller) => caller.newcall("1001") }, otherwise: (caller) => caller.hangup("busy") });
  const left = await voicemail(call, { file: "m.wav", greeting: soup, beep: soup, maxduration: 1000, minduration: 1, silence: -50 });
  console.log(reason, digits, pin, chosen, left?.file, left?.reason, left?.filesize, gates, call.others.length);
  const room = projectcontrol.conference("team");
  room.max = 8;
  console.log(await room.gain(-3), (await room.speakers()).length);
  room.moh = soup;
  room.onjoin = room.onleave = (member, where) => console.log(member.id, where.name, where.members.length);
  if (!(await room.add(call))) await room.remove(call);
  return (await call.waitforplay(10)) || (await call.waitforanswer(10)) || call.waitforhangup(10);
};

const sales = queues.find("sales");
sales.max = sales.maxwaitms = sales.ringms = sales.wrapupms = sales.retryms = 1000;
sales.moh = soup;
sales.announce = (position) => say.number(position);
sales.overflow = (call, why) => call.hangup(why === "full" ? "busy" : "unavailable");
sales.ondelivered = (call, child) => console.log(call.id, child.id);
const agent = sales.addagent({ to: "1001" });
agent.paused = agent.state === "wrapup" && agent.taken > 3 && agent.since > 0 && agent.key !== "" && agent.to === "1001";
sales.dispatch();
queues.onpositionchange = async (call) => {
  if (await sales.queue(call)) sales.delivered(call);
  sales.remove(call);
};
console.log(queues.names, queues.onpositionchange.length, sales.name, sales.agents, sales.calls, sales.removeagent("1001"));

async function main(): Promise<void> {
  const told: boolean = await projectcontrol.directory("d.example", [{ username: "1000", secret: "s" }, { username: "1001", ha1: "0".repeat(32) }], { authentication: { policy: "trusted", trusted: ["192.0.2.0/24"], messages: true } });
  await projectcontrol.run();
  const call = await projectcontrol.connect({ from: "1000", to: "1001" });
  projectcontrol.newcall("1000").onanswer = (one) => console.log(one.id, call.id, told);
  const reply = await projectcontrol.sipserver(undefined, "/dir", "GET", ({ code }) => console.log(code));
  await projectcontrol.rtpserver({}, "/drain", "POST");
  console.log(reply.json, reply.message, reply.unreachable, projectcontrol.draining, projectcontrol.url, Object.keys(projectcontrol.calls));
  await projectcontrol.stop({ hangup: true });
}

main();

// Mistakes are told:
// @ts-expect-error no such codec
projectcontrol.codecs = ["opus"];
// @ts-expect-error whom to call is missing
projectcontrol.newcall({ from: "1000" });
// @ts-expect-error a callback is a function
projectcontrol.onnewcall = 5;
