//! Who a call of ours shows as its caller.
//!
//! ```text
//!   From user and domain, caller id ─► From value, P-Asserted-Identity, Remote-Party-ID, Privacy
//! ```
//! Shape:  the From value has no tag; headers are name and value.
//! Errors: none; quotes and escapes keep every name and number on its line.
//! Withheld: From is anonymous. What a trunk needs to know all the same goes into P-Asserted-Identity with `Privacy: id`; a
//!         phone of ours is no trusted part of the network and is told nothing.
//! Source: RFC 3323 §4.1 and §4.2, RFC 3325 §9.1; Remote-Party-ID as its drafts had it, which phones still read.

use crate::api::CallerId;
use crate::message::{Quoted, escape_user};

/// What the INVITE shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Value of From, without tag.
    pub from: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

/// `to_phone`: the call goes to a user of ours, not into another network.
pub(super) fn shown(user: &str, domain: &str, caller: Option<&CallerId>, to_phone: bool) -> Shown {
    let Some(caller) = caller else { return Shown { from: address("", user, domain), headers: Vec::new() } };
    let number = if caller.number.is_empty() { user } else { &caller.number };
    let identity = address(&caller.name, number, domain);
    if !caller.private {
        let party = format!("{identity};party=calling;privacy=off");
        let headers = vec![("P-Asserted-Identity".into(), identity), ("Remote-Party-ID".into(), party)];
        return Shown { from: address(&caller.name, user, domain), headers };
    }
    // RFC 3323 §4.1.1.3: the anonymous URI.
    let from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned();
    let mut headers = vec![("Privacy".into(), "id".into())];
    if !to_phone {
        headers.push(("Remote-Party-ID".into(), format!("{identity};party=calling;privacy=full")));
        headers.push(("P-Asserted-Identity".into(), identity));
    }
    Shown { from, headers }
}

fn address(name: &str, user: &str, domain: &str) -> String {
    let uri = uri(user, domain);
    if name.is_empty() { format!("<{uri}>") } else { format!("{} <{uri}>", Quoted(name)) }
}

/// `sip:user@host`, or `sip:host` for nobody in particular.
pub(super) fn uri(user: &str, host: &str) -> String {
    if user.is_empty() { format!("sip:{host}") } else { format!("sip:{}@{host}", escape_user(user)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(private: bool) -> CallerId {
        CallerId { number: "+441234".into(), name: "Bob \"B\"".into(), private }
    }

    #[test]
    fn a_caller_id_is_shown_in_every_form_that_phones_read() {
        let shown = shown("1000", "example.com", Some(&caller(false)), true);
        assert_eq!(shown.from, "\"Bob \\\"B\\\"\" <sip:1000@example.com>");
        assert_eq!(shown.headers[0].1, "\"Bob \\\"B\\\"\" <sip:+441234@example.com>");
        assert!(shown.headers[1].1.ends_with(";privacy=off"));
    }

    #[test]
    fn a_withheld_number_stays_inside_the_network() {
        let phone = shown("1000", "example.com", Some(&caller(true)), true);
        assert!(!format!("{phone:?}").contains("441234") && !phone.from.contains("1000"), "{phone:?}");
        let trunk = shown("1000", "example.com", Some(&caller(true)), false);
        assert!(trunk.headers.iter().any(|(name, _)| name == "P-Asserted-Identity") && !trunk.from.contains("1000"));
        assert!(trunk.headers.contains(&("Privacy".into(), "id".into())));
    }
}
