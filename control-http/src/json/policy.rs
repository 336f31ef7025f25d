//! `authentication` of a domain: whom it asks for passwords, and by which hashes.
//!
//! ```text
//!   "none" | {"policy":"trusted","trusted":["192.0.2.0/24"],"algorithms":["SHA-256","MD5"],"qop":["auth"],"proxy":false,"messages":false} ◄─► Policy
//! ```
//! Shape:  a word alone is an object with nothing but `policy`; a key that is not given has its default.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `Authentication`; RFC 8760 §2.3 (the order is the server's preference).

use std::fmt::Display;

use serde_json::json;
use sip::api::{Algorithm, Authentication, NETWORKS_MAX, Network, Policy, Quality};

use super::{JsonError, Object, Value};

/// Reads the value that stands at `path`.
pub(super) fn policy(value: &Value<'_>, path: String) -> Result<Policy, JsonError> {
    if let Value::String(word) = value {
        let authentication = match &**word {
            "challenge" => Authentication::Challenge,
            "none" => Authentication::None,
            _ => return Err(JsonError::field(path, "must be challenge, none or an object")),
        };
        return Ok(Policy { authentication, ..Policy::default() });
    }
    let object = Object::at(value, path)?;
    let default = Policy::default();
    let trusted = list(&object, "trusted", |text| text.parse::<Network>().ok(), "must be an address or a network")?;
    let authentication = match (object.string("policy")?.unwrap_or("challenge"), trusted) {
        ("challenge", None) => Authentication::Challenge,
        ("none", None) => Authentication::None,
        ("trusted", Some(networks)) if networks.len() <= NETWORKS_MAX => Authentication::Trusted(networks),
        ("trusted", Some(_)) => return Err(object.error("trusted", format_args!("must be at most {NETWORKS_MAX} networks"))),
        ("trusted", None) => return Err(object.error("trusted", "is missing")),
        ("challenge" | "none", Some(_)) => return Err(object.error("trusted", "needs the policy trusted")),
        _ => return Err(object.error("policy", "must be challenge, trusted or none")),
    };
    Ok(Policy {
        authentication,
        algorithms: choice(&object, "algorithms", Algorithm::from_token)?.unwrap_or(default.algorithms),
        qualities: choice(&object, "qop", Quality::from_token)?.unwrap_or(default.qualities),
        proxy: object.boolean("proxy")?.unwrap_or(default.proxy),
        messages: object.boolean("messages")?.unwrap_or(default.messages),
    })
}

/// What `GET` shows: all keys.
pub(super) fn policy_view(policy: &Policy) -> serde_json::Value {
    let word = match &policy.authentication {
        Authentication::Challenge => "challenge",
        Authentication::Trusted(_) => "trusted",
        Authentication::None => "none",
    };
    let mut out = json!({
        "policy": word,
        "algorithms": policy.algorithms.iter().map(|algorithm| algorithm.token()).collect::<Vec<_>>(),
        "qop": policy.qualities.iter().map(|quality| quality.token()).collect::<Vec<_>>(),
        "proxy": policy.proxy,
        "messages": policy.messages,
    });
    if let (Authentication::Trusted(networks), Some(map)) = (&policy.authentication, out.as_object_mut()) {
        map.insert("trusted".into(), networks.iter().map(ToString::to_string).collect());
    }
    out
}

/// A list of tokens, at least one, none twice.
fn choice<T: PartialEq>(object: &Object<'_>, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<Vec<T>>, JsonError> {
    let Some(items) = list(object, key, read, "is not one that we know")? else { return Ok(None) };
    let repeated = items.iter().enumerate().any(|(at, item)| items.iter().skip(at + 1).any(|other| other == item));
    if items.is_empty() || repeated { Err(object.error(key, "must have one or more, each once")) } else { Ok(Some(items)) }
}

fn list<T>(object: &Object<'_>, key: &str, read: impl Fn(&str) -> Option<T>, rule: impl Display) -> Result<Option<Vec<T>>, JsonError> {
    let one = |(path, item): (String, &Value<'_>)| item.as_str().and_then(&read).ok_or_else(|| JsonError::field(path, &rule));
    object.array(key)?.map(|items| items.map(one).collect()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, JsonError> {
        policy(&serde_json::from_str(text).unwrap(), "authentication".into())
    }

    #[test]
    fn what_is_shown_reads_as_what_it_was() {
        for text in [
            r#""none""#,
            "{}",
            r#"{"policy":"trusted","trusted":["192.0.2.7","2001:db8::/32"],"algorithms":["SHA-512-256","sha-256","MD5"],"qop":["auth-int","auth"],"proxy":true}"#,
        ] {
            let policy = read(text).unwrap();
            assert_eq!(read(&policy_view(&policy).to_string()), Ok(policy), "{text}");
        }
        assert_eq!(read("{}"), read(r#""challenge""#));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, detail) in [
            (r#""some""#, "authentication must be challenge, none or an object"),
            (r#"{"policy":"some"}"#, "authentication.policy must be challenge, trusted or none"),
            (r#"{"policy":"trusted"}"#, "authentication.trusted is missing"),
            (r#"{"trusted":[]}"#, "authentication.trusted needs the policy trusted"),
            (r#"{"policy":"trusted","trusted":["x"]}"#, "authentication.trusted[0] must be an address or a network"),
            (r#"{"algorithms":["SHA-1"]}"#, "authentication.algorithms[0] is not one that we know"),
            (r#"{"algorithms":["MD5","md5"]}"#, "authentication.algorithms must have one or more, each once"),
            (r#"{"qop":[]}"#, "authentication.qop must have one or more, each once"),
        ] {
            assert_eq!(read(text), Err(JsonError::BadField(detail.into())), "{text}");
        }
    }
}
