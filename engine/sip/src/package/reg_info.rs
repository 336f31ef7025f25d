//! The document of the `reg` package: the contacts of one user, whole each time.
//!
//! Shape:  `state="full"`; `version` counts per subscription.
//! Units:  seconds.
//! Errors: none; writing into a String cannot fail.
//! Source: RFC 3680 §5.

use std::fmt::Write as _;

use super::xml::Escaped;

/// One contact in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegContact<'a> {
    /// Name that stays the same while the binding lives.
    pub id: u64,
    /// URI as registered.
    pub uri: &'a str,
    /// In thousandths.
    pub q: u16,
    /// What is left of its lifetime.
    pub expires_s: u32,
    /// How long it has been there.
    pub registered_s: u64,
}

/// Contacts of `user@domain`.
pub fn reg_info(resource: &str, version: u32, contacts: &[RegContact<'_>]) -> String {
    let mut out = String::with_capacity(256 + contacts.len() * 250);
    let state = if contacts.is_empty() { "terminated" } else { "active" };
    let _ = write!(
        out,
        "<?xml version=\"1.0\"?>\r\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"{version}\" state=\"full\">\r\n\
         <registration aor=\"sip:{}\" id=\"r\" state=\"{state}\">\r\n",
        Escaped(resource)
    );
    for contact in contacts {
        let _ = write!(
            out,
            "<contact id=\"c{:x}\" state=\"active\" event=\"registered\" duration-registered=\"{}\" expires=\"{}\" q=\"{}.{:03}\"><uri>{}</uri></contact>\r\n",
            contact.id,
            contact.registered_s,
            contact.expires_s,
            contact.q / 1000,
            contact.q % 1000,
            Escaped(contact.uri)
        );
    }
    out.push_str("</registration>\r\n</reginfo>\r\n");
    out
}
