//! Route set of a dialog, and how a request follows it.
//!
//! ```text
//!   first has lr        Request-URI = target     Route: first, rest
//!   first has no lr     Request-URI = first      Route: rest, <target>
//!   empty               Request-URI = target     no Route
//! ```
//! Shape:  the first entry apart, because it alone decides; the others as one text, which is one Route line.
//! Units:  bytes.
//! Errors: [`DialogError::Header`] for a Record-Route that cannot be read.
//! Source: RFC 3261 §12.1.1, §12.1.2 (order), §12.2.1.1 (strict and loose), §19.1.1 (what a Request-URI may hold).

use super::error::DialogError;
use crate::message::{HeaderName, Headers, NameAddr, Uri, UriParams, Writer};

/// The proxies between the two ends, in the order that our requests visit them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteSet {
    first: Option<First>,
    /// The others as `<a>, <b>`; empty if there are none.
    rest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct First {
    /// As it goes into Route: `<uri>;params`.
    entry: String,
    uri: String,
    loose: bool,
}

impl RouteSet {
    /// Route set of the called side: Record-Route of the request in its order (RFC 3261 §12.1.1).
    ///
    /// # Errors
    /// [`DialogError::Header`].
    pub fn uas(request: &Headers<'_>) -> Result<Self, DialogError> {
        let mut set = Self::default();
        for address in request.addresses(HeaderName::RecordRoute) {
            set.push(&address?);
        }
        Ok(set)
    }

    /// Route set of the calling side: Record-Route of the response in reverse order (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// [`DialogError::Header`].
    pub fn uac(response: &Headers<'_>) -> Result<Self, DialogError> {
        // A list can only be read forwards; Record-Route lines hold a few entries at most.
        let mut entries = response.addresses(HeaderName::RecordRoute).collect::<Result<Vec<_>, _>>()?;
        entries.reverse();
        let mut set = Self::default();
        entries.iter().for_each(|address| set.push(address));
        Ok(set)
    }

    /// Whether requests go straight to the remote target.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Bytes kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.as_ref().map_or(0, |first| first.entry.len() + first.uri.len()) + self.rest.len()
    }

    /// URI that the next request is sent to (RFC 3261 §8.1.2).
    #[must_use]
    pub fn next_hop<'a>(&'a self, target: &'a str) -> &'a str {
        self.first.as_ref().map_or(target, |first| &first.uri)
    }

    /// URI of the request line.
    #[must_use]
    pub fn request_uri<'a>(&'a self, target: &'a str) -> &'a str {
        match &self.first {
            Some(first) if !first.loose => &first.uri,
            Some(_) | None => target,
        }
    }

    /// Writes the Route line, if there is one.
    pub fn write<'o>(&self, writer: Writer<'o>, target: &str) -> Writer<'o> {
        match &self.first {
            None => writer,
            Some(First { entry, loose: true, .. }) if self.rest.is_empty() => writer.header(HeaderName::Route, entry),
            Some(First { entry, loose: true, .. }) => writer.header(HeaderName::Route, format_args!("{entry}, {}", self.rest)),
            Some(_) if self.rest.is_empty() => writer.header(HeaderName::Route, format_args!("<{target}>")),
            Some(_) => writer.header(HeaderName::Route, format_args!("{}, <{target}>", self.rest)),
        }
    }

    fn push(&mut self, address: &NameAddr<'_>) {
        if self.first.is_none() {
            let loose = address.uri.as_sip().is_some_and(|uri| uri.params().is_loose_router());
            self.first = Some(First { entry: address.to_string(), uri: request_uri(&address.uri), loose });
        } else {
            let separator = if self.rest.is_empty() { "" } else { ", " };
            self.rest = format!("{}{separator}{address}", std::mem::take(&mut self.rest));
        }
    }
}

/// A URI as a request line may hold it: without headers and `method` (RFC 3261 §19.1.1, table 1).
pub(super) fn request_uri(uri: &Uri<'_>) -> String {
    let Some(sip) = uri.as_sip() else { return uri.as_str().to_owned() };
    let text = uri.as_str();
    let params: UriParams<'_> = sip.params();
    if !params.contains("method") && sip.headers().is_empty() {
        return text.to_owned();
    }
    let userinfo = text.find('@').map_or(0, |at| at + 1);
    let host_end = text.get(userinfo..).and_then(|host| host.find([';', '?'])).map_or(text.len(), |at| userinfo + at);
    let mut out = text.get(..host_end).unwrap_or_default().to_owned();
    for (name, value) in params.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("method")) {
        out.push(';');
        out.push_str(name);
        if let Some(value) = value {
            out.push('=');
            out.push_str(value);
        }
    }
    out
}
