//! What we answer challenges of the far end with, for one leg and then for its call.
//!
//! ```text
//!   401, 407 ─► challenged ─► prove: headers of every request after it      aged nonce in mid-dialog ─► challenged_within ─► once more
//! ```
//! Shape:  one challenge of the server itself and one of a proxy, about 200 bytes each where there are any.
//! Errors: [`AnswerError`] of the first request; in a dialog only whether it is worth another try.
//! Source: RFC 3261 §22.2, §22.3; RFC 7616 §3.3 (stale).

use crate::auth::{AnswerError, ClientAuth, Identity};
use crate::message::{HeaderName, Method, Response, StatusCode};

/// What we answer challenges with.
#[derive(Default)]
pub(super) struct Auths {
    /// 401.
    pub server: Option<Box<ClientAuth>>,
    /// 407.
    pub proxy: Option<Box<ClientAuth>>,
}

impl Auths {
    /// Authorization headers for one request.
    pub fn prove(
        &mut self,
        method: Method<'_>,
        uri: &str,
        body: Option<&str>,
        rng: &mut impl rand_core::Rng,
    ) -> Vec<(&'static str, String)> {
        let body = body.unwrap_or_default().as_bytes();
        let known = [self.server.as_deref_mut(), self.proxy.as_deref_mut()].into_iter().flatten();
        known.map(|auth| (auth.header(), auth.answer_for(method.as_str(), uri, body, rng))).collect()
    }

    /// Takes the challenge of a 401 or 407 inside the dialog: true if the request is worth sending again, which it is where
    /// the far end had our password before and its nonce has aged, or now asks by the other of the two.
    pub fn challenged_within(&mut self, response: &Response<'_>) -> bool {
        [&mut self.server, &mut self.proxy].into_iter().flatten().for_each(|auth| auth.begin());
        let known = [&self.server, &self.proxy].into_iter().flatten().next().map(|auth| auth.identity().clone());
        let challenge = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        challenge && known.is_some_and(|identity| self.challenged(&identity, response).is_ok())
    }

    /// Takes the challenges of a 401 or 407.
    pub(super) fn challenged(&mut self, identity: &Identity, response: &Response<'_>) -> Result<(), AnswerError> {
        let proxy = response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let name = if proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let values = response.headers().headers(name);
        let place = if proxy { &mut self.proxy } else { &mut self.server };
        match place {
            Some(auth) => auth.challenged_again(proxy, values),
            None => {
                *place = Some(Box::new(ClientAuth::new(identity.clone(), proxy, values)?));
                Ok(())
            }
        }
    }
}
