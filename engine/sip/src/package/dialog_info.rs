//! The document of the `dialog` package: the calls of one user, whole each time.
//!
//! Shape:  `state="full"`: what is not in it is over. `version` counts per subscription.
//! Errors: none; writing into a String cannot fail.
//! Source: RFC 4235 §4.

use std::fmt::Write as _;

use super::calls::CallNote;
use super::xml::Escaped;

/// Calls of `user@domain`.
pub fn dialog_info(resource: &str, version: u32, calls: &[CallNote]) -> String {
    let mut out = String::with_capacity(256 + calls.len() * 400);
    let entity = Escaped(resource);
    let _ = write!(
        out,
        "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" entity=\"sip:{entity}\">\r\n"
    );
    for call in calls {
        let _ = write!(out, "<dialog id=\"{}\" call-id=\"{}\"", Escaped(&call.id), Escaped(&call.call_id));
        for (name, tag) in [("local-tag", &call.local_tag), ("remote-tag", &call.remote_tag)] {
            if let Some(tag) = tag {
                let _ = write!(out, " {name}=\"{}\"", Escaped(tag));
            }
        }
        let direction = if call.initiator { "initiator" } else { "recipient" };
        let _ = write!(out, " direction=\"{direction}\"><state>{}</state>", call.state.word());
        let _ = write!(out, "<local><identity>sip:{entity}</identity><target uri=\"sip:{entity}\"/></local><remote><identity");
        if !call.remote_name.is_empty() {
            let _ = write!(out, " display=\"{}\"", Escaped(&call.remote_name));
        }
        let remote = Escaped(&call.remote);
        let _ = write!(out, ">{remote}</identity><target uri=\"{remote}\"/></remote></dialog>\r\n");
    }
    out.push_str("</dialog-info>\r\n");
    out
}
