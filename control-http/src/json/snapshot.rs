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

use serde_json::{Map, Value, json};
use sip::api::{Epochs, Snapshot};
use sip::sdp::Sdp;

/// The JSON of a snapshot.
pub fn snapshot(call: &Snapshot) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("callid", call.callid.as_str().into());
    put("domain", call.domain.as_str().into());
    for (key, value) in [("to", &call.to), ("from", &call.from), ("contact", &call.contact)] {
        if let Some(value) = value {
            put(key, value.as_str().into());
        }
    }
    if let Some(maxforwards) = call.maxforwards {
        put("maxforwards", maxforwards.into());
    }
    if let Some(refer) = &call.refer {
        let mut view = Map::new();
        view.insert("to".into(), refer.to.as_str().into());
        if let Some(replaces) = &refer.replaces {
            view.insert("replaces".into(), replaces.as_str().into());
        }
        view.insert("uri".into(), refer.uri.as_str().into());
        if let Some(by) = &refer.referredby {
            view.insert("referredby".into(), by.as_str().into());
        }
        put("refer", view.into());
    }
    put("authenticated", call.authenticated.into());
    put("ring", call.ring.into());
    put("answered", call.answered.into());
    put("hold", call.hold.into());
    put("originator", call.originator.into());
    put("hangup", call.hangup.into());
    put("error", json!({"code": call.error.0, "status": call.error.1}));
    let (host, port) = call.remote.map_or((String::new(), 0), |remote| (remote.ip().to_canonical().to_string(), remote.port()));
    put("remote", json!({"host": host, "port": port}));
    put("epochs", epochs(call.epochs, 1000));
    put("seq", call.seq.into());
    put("event", call.event.word().into());
    put("uuid", call.uuid.as_str().into());
    if let Some(transfer) = &call.transfer {
        put("transfer", json!({"code": transfer.status, "status": transfer.reason, "over": transfer.over}));
    }
    if let Some(replaces) = &call.replaces {
        put("replaces", replaces.as_str().into());
    }
    if !call.contacts.is_empty() {
        put("contacts", call.contacts.clone().into());
    }
    if let Some(digits) = &call.digits {
        put("digits", digits.as_str().into());
    }
    if let Some(agent) = &call.agent {
        put("agent", agent.as_str().into());
    }
    let callerid = &call.callerid;
    put("callerid", json!({"number": callerid.number, "name": callerid.name, "private": callerid.private}));
    put("headers", headers(&call.headers));
    put("transport", call.transport.into());
    put("epochsms", epochs(call.epochs, 1));
    // Last, and the same from one snapshot to the next as long as nothing changes: whoever keeps the text need not read it again.
    put("sdp", json!({"them": description(call.sdp_them.as_deref()), "us": description(call.sdp_us.as_deref())}));
    Value::Object(out)
}

/// Headers as an object; a name that repeats has an array.
fn headers(headers: &[(String, String)]) -> Value {
    let mut out = Map::new();
    for (name, value) in headers {
        match out.get_mut(name) {
            None => {
                out.insert(name.clone(), value.as_str().into());
            }
            Some(Value::Array(values)) => values.push(value.as_str().into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.as_str().into()]),
        }
    }
    Value::Object(out)
}

fn epochs(epochs: Epochs, unit_ms: u64) -> Value {
    json!({
        "start": epochs.start / unit_ms,
        "ring": epochs.ring / unit_ms,
        "answer": epochs.answer / unit_ms,
        "end": epochs.end / unit_ms,
    })
}

fn description(sdp: Option<&Sdp>) -> Value {
    sdp.map_or_else(|| Value::Object(Map::new()), super::sdp::to_json)
}
