/**
 * A queue with agents: callers of 500 wait with music and hear their place; 1001 and 1002 take them.
 *
 *   500  the queue          501 / 502  this phone takes calls / rests
 *
 * Sound files are looked for under project-rtp's `--media`: see control/README.md.
 */
"use strict";

const projectcontrol = require("projectcontrol");
const queues = require("projectqueue");
const { say } = projectcontrol.ivr;

const sales = queues.find("sales");
sales.moh = { loop: true, files: [{ wav: "music.wav" }] };
sales.announce = (position) => ({ files: [{ wav: "youare.wav" }, ...say.number(position, "en/").files] });
sales.max = 50;
sales.maxwaitms = 10 * 60_000;
sales.wrapupms = 5000;
// Nobody for ten minutes, or too many callers: the voicemail of the office.
sales.overflow = (call) => call.newcall({ to: "1000" });
for (const agent of ["1001", "1002"]) sales.addagent(agent);

queues.onpositionchange = (call) => console.log(`${call.info.from} is number ${call.metadata.queue.position}`);

/** The agent whose phone calls rests, or goes on. */
function pause(call, paused) {
  const agent = sales.agents.find((one) => one.key === call.info.from);
  if (!agent) return call.notfound();
  agent.paused = paused;
  if (!paused) sales.dispatch();
  return call.busy();
}

projectcontrol.onnewcall = (call) => {
  switch (call.destination) {
    case "500":
      return sales.queue(call);
    case "501":
      return pause(call, false);
    case "502":
      return pause(call, true);
    default:
      return call.newcall({ to: call.destination });
  }
};

projectcontrol.run();
