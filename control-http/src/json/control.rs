//! Where a control server listens: a URL string, or host and port.
//!
//! ```text
//!   "http://127.0.0.1:9001/" | {"host":"127.0.0.1","port":9001} ──► "http://127.0.0.1:9001"
//! ```
//! Shape:  `http://host[:port][/prefix]`, no slash at the end, at most [`URL_BYTES_MAX`].
//! Errors: [`JsonError::BadField`], saying which part.
//! Not here: resolving the name (`client`).
//! Source: RFC 3986 §3.2; `docs/openapi.yaml`, `ControlAddress`.

use std::sync::Arc;

use super::{JsonError, Object, Value};

/// Reads either dialect into the text that the `ControlUrl` of `sip::api` and `rtp::api` holds; `path` names the field in errors.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn control_url(value: &Value<'_>, path: &str) -> Result<Arc<str>, JsonError> {
    match value {
        Value::String(url) => from_url(url).map_err(|rule| JsonError::field(path, rule)),
        Value::Object(_) => {
            let object = Object::at(value, path.to_owned())?;
            let host = object.required_string("host")?;
            // The port of a control server unless told otherwise.
            let port: u16 = object.number("port", 1, u16::MAX)?.unwrap_or(9001);
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            if bare.contains('/') {
                return Err(object.error("host", "must be a host name or an address"));
            }
            let url = if bare.contains(':') { format!("http://[{bare}]:{port}") } else { format!("http://{bare}:{port}") };
            from_url(&url).map_err(|_| object.error("host", "must be a host name or an address"))
        }
        _ => Err(JsonError::field(path, "must be a URL or an object of host and port")),
    }
}

fn from_url(url: &str) -> Result<Arc<str>, &'static str> {
    let rest = match url.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("http://") => url.get(7..).unwrap_or_default(),
        _ => return Err("must start with http://"),
    };
    if url.len() > URL_BYTES_MAX {
        return Err("is too long");
    }
    let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.strip_prefix('[').and_then(|tail| tail.split_once(']')) {
        Some((host, tail)) => {
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "has a bad IPv6 address")?;
            (format!("[{host}]"), tail.strip_prefix(':').or(tail.is_empty().then_some("")))
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            let clean = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(clean) {
                return Err("has no good host name");
            }
            (host.to_ascii_lowercase(), Some(port))
        }
    };
    let port = match port {
        Some("") => 80,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse::<u16>().ok().filter(|port| *port > 0).ok_or("has a port outside 1 to 65535")?
        }
        _ => return Err("has a bad port"),
    };
    // The prefix goes into request lines as it stands.
    if !prefix.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte)) {
        return Err("has a path that cannot be a prefix");
    }
    Ok(format!("http://{host}:{port}{}", prefix.trim_end_matches('/')).into())
}

/// Longest URL taken; a host name of 255 bytes and a prefix.
const URL_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::control_url;

    fn read(value: &Value) -> Result<String, String> {
        control_url(&value.into(), "control").map(|url| url.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_dialect_gives_the_same_url() {
        for same in [
            json!("http://127.0.0.1:9001"),
            json!("http://127.0.0.1:9001/"),
            json!("HTTP://127.0.0.1:9001//"),
            json!({"host":"127.0.0.1","port":9001}),
            json!({"host":"127.0.0.1"}),
        ] {
            assert_eq!(read(&same).as_deref(), Ok("http://127.0.0.1:9001"));
        }
    }

    #[test]
    fn names_ipv6_prefix_and_default_port_are_kept() {
        assert_eq!(read(&json!("http://Control.Example/a/b/")).as_deref(), Ok("http://control.example:80/a/b"));
        assert_eq!(read(&json!("http://[::1]:9001")).as_deref(), Ok("http://[::1]:9001"));
        assert_eq!(read(&json!({"host":"::1","port":1})).as_deref(), Ok("http://[::1]:1"));
        assert_eq!(read(&json!({"host":"[::1]","port":1})).as_deref(), Ok("http://[::1]:1"));
    }

    #[test]
    fn what_cannot_be_a_control_server_is_named() {
        for (bad, rule) in [
            (json!("https://a:1"), "control must start with http://"),
            (json!("127.0.0.1:9001"), "control must start with http://"),
            (json!(""), "control must start with http://"),
            (json!("http://"), "control has no good host name"),
            (json!("http://a b:1"), "control has no good host name"),
            (json!("http://user:pw@host:1"), "control has a bad port"),
            (json!("http://a:0"), "control has a port outside 1 to 65535"),
            (json!("http://a:65536"), "control has a port outside 1 to 65535"),
            (json!("http://[::g]:1"), "control has a bad IPv6 address"),
            (json!("http://a:1/x?y"), "control has a path that cannot be a prefix"),
            (json!("http://a:1/\r\nX: y"), "control has a path that cannot be a prefix"),
            (json!(9001), "control must be a URL or an object of host and port"),
            (json!({"port":9001}), "control.host is missing"),
            (json!({"host":"a","port":"9001"}), "control.port must be a whole number from 1 to 65535"),
            (json!({"host":"a/b","port":1}), "control.host must be a host name or an address"),
        ] {
            assert_eq!(read(&bad), Err(rule.to_owned()));
        }
    }
}
