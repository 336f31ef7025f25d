//! Calls to originate, in every dialect of the contract.
//!
//! ```text
//!   "1003" | "1003@domain" | "sip:1003@domain;x=y" | "\"Bob\" <sip:…>" | {user, domain, authsecret, authuser} ──► Party
//! ```
//! Shape:  one call, or an array of up to [`ORIGINATE_MAX`].
//! Errors: [`JsonError::BadField`]. Nothing of an array is placed when one item cannot be read.
//! Not here: which headers the stack owns, and routing (`sip`).
//! Source: `docs/openapi.yaml`, `/dialog/invite`; RFC 3261 §19.1 (SIP URI), §7.3.1 (headers), RFC 3966 (tel).

use sip::api::{CallerId, ControlUrl, Originate, Party};

use super::{JsonError, Object, Value, control_url};

/// Calls in one request, at most: enough to ring every phone of a group, few enough to answer in a moment.
pub const ORIGINATE_MAX: usize = 64;

/// Reads one call or an array of them.
///
/// # Errors
/// [`JsonError::BadField`]; items of an array are named `[0]`, `[1]` ….
pub fn originate_all(body: &Value<'_>) -> Result<Vec<Originate>, JsonError> {
    let Value::Array(items) = body else { return Ok(vec![originate(&Object::root(body)?)?]) };
    if items.is_empty() || items.len() > ORIGINATE_MAX {
        return Err(JsonError::field("the array", format_args!("must hold 1 to {ORIGINATE_MAX} calls")));
    }
    items.iter().enumerate().map(|(index, item)| originate(&Object::at(item, format!("[{index}]"))?)).collect()
}

/// Reads one call.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn originate(body: &Object<'_>) -> Result<Originate, JsonError> {
    let callerid = match body.object("callerid")? {
        Some(callerid) => Some(callerid),
        None => body.object("cid")?,
    };
    Ok(Originate {
        from: party(body, "from")?,
        to: party(body, "to")?,
        domain: body.string("domain")?.filter(|domain| !domain.is_empty()).map(|domain| host(body, "domain", domain)).transpose()?,
        callerid: callerid.map(|object| callerid_of(&object)).transpose()?,
        maxforwards: body.number("maxforwards", 0u8, 255)?.unwrap_or(70),
        control: body.get("control").map(|value| control_url(value, &body.path("control")).map(ControlUrl)).transpose()?,
        sdp: super::action::sdp(body)?,
        headers: headers(body)?,
        autoanswer: body.boolean("autoanswer")?.unwrap_or(false),
        idempotency: body.string("idempotency")?.filter(|key| !key.is_empty()).map(str::to_owned),
        follow: body.boolean("follow")?.unwrap_or(false),
        trunks: trunks(body)?,
    })
}

/// `trunk`: a name, or an array of at most 16, first choice first.
fn trunks(body: &Object<'_>) -> Result<Vec<String>, JsonError> {
    let rule = || body.error("trunk", "must be the name of a trunk, or an array of 1 to 16");
    match body.get("trunk") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name.to_string()]),
        Some(Value::Array(names)) if (1..=16).contains(&names.len()) => {
            names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(rule)).collect()
        }
        Some(_) => Err(rule()),
    }
}

/// Extra headers: an object of strings, or of arrays of strings for a header that repeats.
pub(super) fn headers(body: &Object<'_>) -> Result<Vec<(String, String)>, JsonError> {
    let Some(object) = body.object("headers")? else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (name, value) in object.iter() {
        // RFC 3261 §25.1, token.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(object.error(name, "is not a header name"));
        }
        let values = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        for value in values {
            let value = value.as_str().ok_or_else(|| object.error(name, "must be a string"))?;
            // A line end would let the value write headers of its own.
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(object.error(name, "must not hold control characters"));
            }
            out.push((name.to_owned(), value.to_owned()));
        }
    }
    if out.len() > HEADERS_MAX {
        return Err(body.error("headers", format_args!("must be at most {HEADERS_MAX}")));
    }
    Ok(out)
}

fn callerid_of(object: &Object<'_>) -> Result<CallerId, JsonError> {
    Ok(CallerId {
        number: clean(object, "number")?.unwrap_or_default(),
        name: clean(object, "name")?.unwrap_or_default(),
        private: object.boolean("private")?.unwrap_or(false),
    })
}

fn party(body: &Object<'_>, key: &str) -> Result<Party, JsonError> {
    match body.required(key)? {
        Value::String(text) => {
            let (user, domain) = address(text).ok_or_else(|| body.error(key, "must be a user, user@domain or a SIP URI"))?;
            Ok(Party { user, domain: domain.map(|domain| host(body, key, domain)).transpose()?, ..Party::default() })
        }
        value @ Value::Object(_) => {
            let object = Object::at(value, body.path(key))?;
            object.required_string("user")?;
            let user = clean(&object, "user")?.unwrap_or_default();
            let domain = object.string("domain")?.filter(|domain| !domain.is_empty());
            Ok(Party {
                user,
                domain: domain.map(|domain| host(&object, "domain", domain)).transpose()?,
                authsecret: object.string("authsecret")?.map(str::to_owned),
                authuser: clean(&object, "authuser")?,
            })
        }
        _ => Err(body.error(key, "must be a string or an object")),
    }
}

/// User and host of an address in any of its textual forms. Of URI parameters `transport` stays with the host, the others,
/// headers and a password are dropped.
fn address(text: &str) -> Option<(String, Option<&str>)> {
    let text = text.trim();
    let uri = match text.rfind('<') {
        Some(open) => text.get(open + 1..)?.split_once('>')?.0,
        None => text,
    };
    let scheme = |name: &str| uri.get(..name.len()).filter(|have| have.eq_ignore_ascii_case(name)).and(uri.get(name.len()..));
    let (user, domain) = if let Some(number) = scheme("tel:") {
        (number.split(';').next()?, None)
    } else {
        let rest = scheme("sip:").unwrap_or(uri);
        let (user, tail) = match rest.split_once('@') {
            Some((user, tail)) => (user, Some(tail)),
            None => (rest, None),
        };
        let domain = tail.map(|tail| tail.split('?').next().unwrap_or_default());
        // A password after the user is part of the old URI grammar and of no use to us (RFC 3261 §19.1.1).
        let user = if tail.is_some() { user.split(':').next()? } else { user.split([';', '?']).next()? };
        (user, domain)
    };
    let mut decoded = String::new();
    crate::wire::Path::decode(&format!("/{user}")).ok()?.segments().for_each(|segment| decoded.push_str(segment));
    let good = !decoded.is_empty() && !decoded.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\"@".contains(c));
    let domain = domain.filter(|domain| !domain.is_empty());
    good.then_some((decoded, domain))
}

/// A host, or host and port, in lower case, with the `transport` of its URI if it had one: `192.0.2.1:5070;transport=tcp`.
fn host(body: &Object<'_>, key: &str, text: &str) -> Result<String, JsonError> {
    let text = text.to_ascii_lowercase();
    let (host, params) = text.split_once(';').unwrap_or((&text, ""));
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.len() > 255 || !host.bytes().all(clean) {
        return Err(body.error(key, "must name a host"));
    }
    match params.split(';').find_map(|param| param.trim().strip_prefix("transport=")) {
        Some(transport) if !transport.is_empty() && transport.len() <= 16 && transport.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(format!("{host};transport={transport}"))
        }
        Some(_) => Err(body.error(key, "must name a transport such as tcp")),
        None => Ok(host.to_owned()),
    }
}

/// A string without control characters, if there.
fn clean(object: &Object<'_>, key: &str) -> Result<Option<String>, JsonError> {
    let text = object.string(key)?;
    if text.is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(object.error(key, "must not hold control characters"));
    }
    Ok(text.map(str::to_owned))
}

/// Extra headers of one message, at most.
const HEADERS_MAX: usize = 32;
