/**
 * Transfers that a phone asks for with REFER.
 *
 *   blind:     A ─ B, B refers to C:   A runs through `onnewcall` again with destination C; B is told how that went
 *   attended:  A ─ B, B ─ C, B refers: A and C are linked and mixed; both calls of B are told and let go
 *              C not a call but something played to B: A runs through `onnewcall` with what B had dialled
 *
 * Shape:  the call that REFER came on is B's; the one to be moved is the other side of it.
 * Errors: nobody to move, or an unknown call to replace, is told to B with NOTIFY 481, and nothing changes.
 * Source: RFC 3515 §2.4.5 (NOTIFY), RFC 3891 (Replaces), RFC 5589 §6 and §7 (the flows).
 */
"use strict";

/**
 * @param {object} call The call that REFER came on.
 * @param {{to: string, replaces?: string}} refer Where to; the Call-ID of the call to replace.
 */
function start(call, refer) {
  const work = refer.replaces ? attended(call, refer) : blind(call, refer);
  work.catch((error) => {
    call.control.host.log("error", `call ${call.id}: transfer failed: ${error.stack ?? error}`);
    notify(call, 500);
  });
}

async function blind(call, refer) {
  call.history = `Blind transfer to ${refer.to}`;
  const moved = call.other;
  if (moved === false || moved.hungup) {
    notify(call, 481);
    return;
  }
  await again(moved, call, refer.to);
}

async function attended(call, refer) {
  call.history = "Attended transfer";
  const { control } = call;
  const replaced = control.table.get(refer.replaces);
  const there = replaced ? replaced.other : false;
  const here = call.other;
  if (!replaced || (there === false && here === false)) {
    notify(call, 481);
    return;
  }
  if (there === false || here === false) {
    // One of the two is with a script, not with a person: the person goes where the other call had gone.
    const [moved, dialled] = there === false ? [here, replaced] : [there, call];
    const released = moved === here ? replaced : call;
    await again(moved, call, dialled.destination);
    if (!released.hungup) released.hangup();
    return;
  }
  if (!here.answered && !there.answered) {
    notify(call, 481);
    return;
  }
  await Promise.all([here.unmix(), there.unmix()]);
  part(call, here);
  part(replaced, there);
  await Promise.all([here.session.channel?.stop(), there.session.channel?.stop()]);
  // One that still rings becomes the child: its answer is then handled as any child's.
  const [upper, lower] = there.answered ? [there, here] : [here, there];
  upper.link(lower);
  const done = !lower.answered || (await upper.mix(lower));
  notify(call, done ? 200 : 500);
  // RFC 5589 §7: the transferor's phone ends its calls on this news; those that do not are ended by us.
  for (const one of [call, replaced]) one.after(control.times.letgo, () => one.hangup());
}

/** Runs call processing for a call that somebody has sent on. */
async function again(moved, by, to) {
  await by.unmix();
  part(by, moved);
  await moved.session.channel?.stop();
  moved.clearcallbacks();
  moved.metadata.refer = { to, referedby: by };
  moved.callinfo.refer = moved.metadata.refer;
  moved.metadata.group = undefined;
  moved.control.table.arrived(moved);
  moved.control.host.defer(() => tell(by, moved));
  by.after(by.control.times.letgo, () => by.answered && by.others.length === 0 && by.hangup());
}

/** Parts the transferor from the one it sends on; calls that only ring for either of them have nobody to ring for any more. */
function part(by, moved) {
  const below = moved.metadata.family.parent === by ? moved : by;
  below.metadata.family.leave(below);
  for (const one of [by, moved]) for (const child of one.metadata.family.children) if (!child.answered) child.hangup();
}

/** Tells the transferor how it went: with the first call made for the moved one, or at once if there is none. */
function tell(by, moved) {
  const next = moved.metadata.family.children[0];
  if (!next) {
    notify(by, moved.hungup ? 503 : 200);
    return;
  }
  // RFC 3515 §2.4.5: a phone that shows how it goes wants the steps too.
  next.onringing = () => notify(by, 180);
  next.onanswer = () => notify(by, 200);
  next.onhangup = () => next.answered || notify(by, next.callinfo.error?.code || next.error?.code || 503);
}

function notify(call, status) {
  if (!call.hungup) call.dialog.act(call, "notify", { status });
}

module.exports = { start };
