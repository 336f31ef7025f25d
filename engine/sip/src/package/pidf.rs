//! The document of the `presence` package.
//!
//! Shape:  what the user published, as it was published; without it one tuple that says whether a phone is registered.
//! Errors: none.
//! Source: RFC 3863 §4; RFC 3859 §3 (a notifier may know presence by other means).

use super::xml::Escaped;

/// Presence of `user@domain`.
pub fn presence(resource: &str, published: Option<&str>, registered: bool) -> String {
    if let Some(published) = published {
        return published.to_owned();
    }
    let (entity, basic) = (Escaped(resource), if registered { "open" } else { "closed" });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:{entity}\">\r\n\
         <tuple id=\"registration\"><status><basic>{basic}</basic></status></tuple>\r\n</presence>\r\n"
    )
}
