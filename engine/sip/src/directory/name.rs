//! How a domain is written: in requests, in realms, in the API.
//!
//! ```text
//!   "Example.COM:5060" ──► "example.com"      "[2001:DB8::1]:5060" ──► "[2001:db8::1]"
//! ```
//! Shape:  borrowed where nothing changes.
//! Errors: none here; `is_domain` judges what may be stored.
//! Source: RFC 3261 §19.1.4 (hosts compare without case), RFC 1035 §2.3.4 (lengths).

use std::borrow::Cow;

/// Longest host name (RFC 1035 §2.3.4, in text form).
const DOMAIN_LEN_MAX: usize = 253;

/// The name to look up: port and root dot cut off, lower case.
pub fn domain_name(text: &str) -> Cow<'_, str> {
    let host = without_port(text);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

fn without_port(text: &str) -> &str {
    if text.starts_with('[') {
        return text.split_inclusive(']').next().unwrap_or(text);
    }
    match text.split_once(':') {
        // More than one colon and no brackets is a bare IPv6 address: it has no port.
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    }
}

/// A host name, an IPv4 address, or an IPv6 address, in brackets or not. Expects the form of [`domain_name`].
pub(super) fn is_domain(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if inner.is_some() || name.contains(':') {
        return inner.unwrap_or(name).parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    name.len() <= DOMAIN_LEN_MAX && name.split('.').all(label)
}
