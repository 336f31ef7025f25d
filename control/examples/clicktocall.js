/**
 * Click to call: a web page asks, the clerk's phone rings, then the customer's, and the two talk.
 *
 *   curl http://127.0.0.1:9001/invite -d '{"domain":"phones.example","from":"1000","to":"1003"}'
 *
 * `POST /invite` is part of every project-control: it rings `from`, and when that answers, runs `onnewcall` as if it had dialled `to`.
 */
"use strict";

const projectcontrol = require("projectcontrol");

projectcontrol.onnewcall = (call) => {
  const other = call.newcall({ to: call.destination });
  other.onanswer = () => console.log(`${call.identity.user} talks to ${call.destination}`);
};

projectcontrol.run();
