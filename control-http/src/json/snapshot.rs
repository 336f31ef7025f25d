//! The snapshot of a call, as control and `GET /dialog/{callid}` see it.
//!
//! ```text
//!   Snapshot ──► {callid … epochs, then seq, event, uuid, agent, callerid, headers, transport, epochsms, sdp}
//! ```
//! Shape:  the whole call each time; the older keys first and in their documented order, `sdp` last. `to`, `from`, `contact`,
//!         `maxforwards` and `agent` are left out while not known; `refer`, `transfer` and `digits` stand only in the event they cause.
//! Units:  `epochs` seconds, `epochsms` milliseconds since 1970, 0 for "not yet".
//! Errors: none.
//! Source: `docs/openapi.yaml`, `Snapshot`.

use sip::api::{Epochs, Snapshot};
use sip::sdp::Sdp;

use super::text::Fields;

/// The JSON of a snapshot.
pub fn snapshot(call: &Snapshot) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    let mut out = Fields::open(&mut text);
    out.text("callid", &call.callid);
    out.text("domain", &call.domain);
    out.text_if("to", call.to.as_deref());
    out.text_if("from", call.from.as_deref());
    out.text_if("contact", call.contact.as_deref());
    if let Some(maxforwards) = call.maxforwards {
        out.number("maxforwards", maxforwards);
    }
    if let Some(refer) = &call.refer {
        let mut view = out.object("refer");
        view.text("to", &refer.to);
        view.text_if("replaces", refer.replaces.as_deref());
        view.text("uri", &refer.uri);
        view.text_if("referredby", refer.referredby.as_deref());
        view.close();
    }
    out.boolean("authenticated", call.authenticated);
    out.boolean("ring", call.ring);
    out.boolean("answered", call.answered);
    out.boolean("hold", call.hold);
    out.boolean("originator", call.originator);
    out.boolean("hangup", call.hangup);
    let mut error = out.object("error");
    error.number("code", call.error.0);
    error.text("status", &call.error.1);
    error.close();
    let mut remote = out.object("remote");
    match call.remote {
        Some(address) => remote.address("host", address.ip().to_canonical()),
        None => remote.text("host", ""),
    }
    remote.number("port", call.remote.map_or(0, |address| address.port()));
    remote.close();
    epochs(out.object("epochs"), call.epochs, 1000);
    out.number("seq", call.seq);
    out.text("event", call.event.word());
    out.text("uuid", &call.uuid);
    if let Some(transfer) = &call.transfer {
        let mut view = out.object("transfer");
        view.number("code", transfer.status);
        view.text("status", &transfer.reason);
        view.boolean("over", transfer.over);
        view.close();
    }
    out.text_if("replaces", call.replaces.as_deref());
    if !call.contacts.is_empty() {
        out.array("contacts", call.contacts.iter(), |out, contact| Fields::string(out, contact));
    }
    out.text_if("digits", call.digits.as_deref());
    out.text_if("agent", call.agent.as_deref());
    let mut callerid = out.object("callerid");
    callerid.text("number", &call.callerid.number);
    callerid.text("name", &call.callerid.name);
    callerid.boolean("private", call.callerid.private);
    callerid.close();
    headers(out.object("headers"), &call.headers);
    out.text("transport", call.transport);
    epochs(out.object("epochsms"), call.epochs, 1);
    // Last, and the same from one snapshot to the next as long as nothing changes: whoever keeps the text need not read it again.
    let mut sdp = out.object("sdp");
    description(&mut sdp, "them", call.sdp_them.as_deref());
    description(&mut sdp, "us", call.sdp_us.as_deref());
    sdp.close();
    out.close();
    text
}

/// Headers as an object; a name that repeats has an array, where it stood first.
fn headers(mut out: Fields<'_>, headers: &[(String, String)]) {
    for (place, (name, _)) in headers.iter().enumerate() {
        let is_same = |(other, _): &&(String, String)| other == name;
        if !headers.iter().take(place).any(|other| is_same(&other)) {
            out.named(name, headers.iter().filter(is_same).map(|(_, value)| value.as_str()));
        }
    }
    out.close();
}

fn epochs(mut out: Fields<'_>, epochs: Epochs, unit_ms: u64) {
    out.number("start", epochs.start / unit_ms);
    out.number("ring", epochs.ring / unit_ms);
    out.number("answer", epochs.answer / unit_ms);
    out.number("end", epochs.end / unit_ms);
    out.close();
}

fn description(out: &mut Fields<'_>, key: &'static str, sdp: Option<&Sdp>) {
    match sdp {
        Some(sdp) => out.raw(key, |out| super::sdp::write_text(out, sdp)),
        None => out.object(key).close(),
    }
}

/// A snapshot of an answered call with two descriptions of four codecs, and some headers.
const USUAL_BYTES: usize = 3072;
