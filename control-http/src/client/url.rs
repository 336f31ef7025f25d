//! Where a request goes: an `http` URL in its parts.
//!
//! ```text
//!   "http://[::1]:9001/dialog/a%20b?x" ──► host "::1", port 9001, authority "[::1]:9001", target "/dialog/a%20b?x"
//! ```
//! Shape:  the target is kept as written; whoever builds it escapes it (`wire::Path::encode_segment`).
//! Errors: [`BadUrl`].
//! Source: RFC 3986 §3.2, RFC 9110 §4.2.1.

/// Why a text is not a URL that we can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad URL: {0}")]
pub struct BadUrl(&'static str);

/// An `http` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Authority and target, one behind the other.
    text: String,
    authority: usize,
    port: u16,
}

impl Url {
    /// Reads `text`; without a port it is 80.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = scheme.and_then(|_| text.get(7..)).ok_or(BadUrl("only http:// is spoken"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split(authority).ok_or(BadUrl("an open bracket"))?;
        if authority.starts_with('[') {
            host.parse::<std::net::Ipv6Addr>().map_err(|_| BadUrl("the IPv6 address"))?;
        }
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':')) {
            return Err(BadUrl("the host"));
        }
        let port = match port {
            "" | ":" => 80,
            _ => {
                let digits = port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
                digits.and_then(|port| port.parse().ok()).ok_or(BadUrl("the port"))?
            }
        };
        joined(authority, target, port)
    }

    /// The same server, asked for `target`, path and query: as quick as looking at each character of it.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn with_target(&self, target: &str) -> Result<Self, BadUrl> {
        joined(self.authority(), target, self.port)
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        split(self.authority()).map_or("", |(host, _)| host)
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Value of the Host header, and name of the origin in the pool.
    pub fn authority(&self) -> &str {
        self.text.get(..self.authority).unwrap_or_default()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.text.get(self.authority..).unwrap_or_default()
    }
}

fn joined(authority: &str, target: &str, port: u16) -> Result<Url, BadUrl> {
    if !target.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic()) {
        return Err(BadUrl("a character that must be escaped"));
    }
    let mut text = String::with_capacity(authority.len() + 1 + target.len());
    text.push_str(authority);
    if !target.starts_with('/') {
        text.push('/');
    }
    text.push_str(target);
    Ok(Url { text, authority: authority.len(), port })
}

/// Host, and what follows it: nothing, or a colon and the port.
fn split(authority: &str) -> Option<(&str, &str)> {
    match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']'),
        None => Some(authority.split_at(authority.find(':').unwrap_or(authority.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn urls_come_apart() {
        for (text, host, port, authority, target) in [
            ("http://127.0.0.1:9001", "127.0.0.1", 9001, "127.0.0.1:9001", "/"),
            ("HTTP://h/a/b?c=d#e", "h", 80, "h", "/a/b?c=d"),
            ("http://h?x", "h", 80, "h", "/?x"),
            ("http://[::1]:1/", "::1", 1, "[::1]:1", "/"),
            ("http://[::1]", "::1", 80, "[::1]", "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.authority(), url.target()), (host, port, authority, target));
        }
    }

    #[test]
    fn a_server_is_asked_for_something_else() {
        for (text, target) in [("http://h:1/a?b", "/c?d"), ("http://[::1]:1", ""), ("http://h", "?x")] {
            let base = Url::parse(text).unwrap();
            assert_eq!(base.with_target(target), Url::parse(&format!("http://{}{target}", base.authority())), "{text}");
        }
        let base = Url::parse("http://h:1").unwrap();
        assert!(["/a b", "/\r\n", "/é"].iter().all(|target| base.with_target(target).is_err()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "h:1",
            "https://h",
            "http://",
            "http://:1",
            "http://a b",
            "http://u@h",
            "http://h:x",
            "http://h:65536",
            "http://[::1",
            "http://[x]",
            "http://[::1]1",
            "http://h/\r\n",
            "http://h/é",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
