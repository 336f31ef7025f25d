//! Route set of a dialog, and how a request follows it.
//!
//! ```text
//!   first has lr        Request-URI = target     Route: first, rest
//!   first has no lr     Request-URI = first      Route: rest, <target>
//!   empty               Request-URI = target     no Route
//! ```
//! Shape:  the first entry apart, because it alone decides; the others as one text, which is one Route line.
//! Units:  bytes.
//! Errors: [`DialogError::Header`] for a Record-Route that cannot be read, [`DialogError::RouteTooLong`] for more than 70.
//! Source: RFC 3261 §12.1.1, §12.1.2 (order), §12.2.1.1 (strict and loose), §19.1.1 (what a Request-URI may hold).

use super::error::DialogError;
use crate::message::{HeaderName, Headers, NameAddr, Uri, Writer};

/// Most proxies of a route: Max-Forwards starts at 70, and each takes one.
const ROUTES_MAX: usize = 70;

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
    /// [`DialogError::Header`], [`DialogError::RouteTooLong`].
    pub fn uas(request: &Headers<'_>) -> Result<Self, DialogError> {
        Self::collect(request, Vec::into_iter)
    }

    /// Route set of the calling side: Record-Route of the response in reverse order (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// [`DialogError::Header`], [`DialogError::RouteTooLong`].
    pub fn uac(response: &Headers<'_>) -> Result<Self, DialogError> {
        Self::collect(response, |entries| entries.into_iter().rev())
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

    fn collect<'a, I: Iterator<Item = NameAddr<'a>>>(
        headers: &Headers<'a>,
        order: impl FnOnce(Vec<NameAddr<'a>>) -> I,
    ) -> Result<Self, DialogError> {
        // A list can only be read forwards, and the caller needs it backwards; one entry more shows that it is too long.
        let entries = headers.addresses(HeaderName::RecordRoute).take(ROUTES_MAX + 1).collect::<Result<Vec<_>, _>>()?;
        if entries.len() > ROUTES_MAX {
            return Err(DialogError::RouteTooLong { max: ROUTES_MAX });
        }
        let mut set = Self::default();
        for address in order(entries) {
            set.push(&address);
        }
        Ok(set)
    }

    fn push(&mut self, address: &NameAddr<'_>) {
        if self.first.is_none() {
            let loose = address.uri.as_sip().is_some_and(|uri| uri.params().is_loose_router());
            self.first = Some(First { entry: address.to_string(), uri: request_uri(&address.uri), loose });
        } else {
            if !self.rest.is_empty() {
                self.rest.push_str(", ");
            }
            self.rest.push_str(&address.to_string());
        }
    }
}

/// A URI as a request line may hold it: without headers and `method` (RFC 3261 §19.1.1, table 1).
pub(super) fn request_uri(uri: &Uri<'_>) -> String {
    let Some(sip) = uri.as_sip() else { return uri.as_str().to_owned() };
    let text = uri.as_str();
    let params = sip.params();
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
