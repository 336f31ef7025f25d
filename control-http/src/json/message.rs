//! The event of a MESSAGE.
//!
//! ```text
//!   TextMessage ──► {"callid","domain","to","from","authenticated","callerid","contenttype","body","remote","transport","agent"?}
//! ```
//! Shape:  the names of a call's snapshot, so that a script reads both alike.
//! Errors: none.
//! Source: `docs/openapi.yaml`, `Message`.

use serde_json::{Value, json};
use sip::api::TextMessage;

/// Body of `PUT {control}/message/{domain}/{to}`.
pub fn text_message(message: &TextMessage) -> Value {
    let TextMessage { callid, domain, to, from, authenticated, callerid, contenttype, body, remote, agent, transport } = message;
    let mut out = json!({
        "callid": callid,
        "domain": domain,
        "to": to,
        "from": from,
        "authenticated": authenticated,
        "callerid": {"number": callerid.number, "name": callerid.name, "private": callerid.private},
        "contenttype": contenttype,
        "body": body,
        "remote": {"host": remote.ip().to_canonical().to_string(), "port": remote.port()},
        "transport": transport,
    });
    if let (Some(agent), Some(map)) = (agent, out.as_object_mut()) {
        map.insert("agent".into(), agent.as_str().into());
    }
    out
}
