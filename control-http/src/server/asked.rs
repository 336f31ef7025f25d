//! Requests from within the executor.
//!
//! ```text
//!   ask ─► token? ─► the handler, polled once ─► ready: then(answer)      not yet: a task of its own ─► then(answer)
//! ```
//! Shape:  most commands are done in one poll, and cost no task. What a client has under way it bounds itself (`in_flight_max`).
//! Units:  as over a socket: `limit` is the client's patience, `timeouts.handler` the server's; met up to 250 ms late.
//! Errors: as over a socket too: 401, 413, 504; nobody's answer where the server was killed.
//! Within: until a wait that is not over at once, a handler runs in the middle of whoever asks: what the asker has borrowed is taken.
//! Gone:   a handler whose client gave up is dropped, as one that is too slow: whoever is half done with something sees to it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Handler, Shared, too_slow};
use crate::local::{Local, Then};
use crate::routes::wire_refusal;
use crate::watch::End;
use crate::wire::{Request, Response, WireError};

impl<H: Handler + 'static> Local for Shared<H> {
    fn ask(self: Rc<Self>, request: Request, limit: Duration, then: Then) {
        let body_bytes_max = self.config.limits.body_bytes_max;
        let refused = self.refusal(&request).or_else(|| {
            let is_large = request.body.len() > body_bytes_max;
            is_large.then(|| wire_refusal(WireError::BodyTooLarge { max: body_bytes_max }))
        });
        if let Some(response) = refused {
            self.note(&response);
            return then(Some(response));
        }
        let shared = Rc::clone(&self);
        let mut answer: Pin<Box<dyn Future<Output = Response>>> = Box::pin(async move { shared.handler.handle(request).await });
        // Whoever has to wait is polled again by the task, which leaves its own waker.
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => {
                self.note(&response);
                then(Some(response));
            }
            // Detached: it ends by itself, at the latest when the watch is killed.
            Poll::Pending => rt::spawn_detached(wait(self, answer, limit, then)),
        }
    }
}

async fn wait<H>(shared: Rc<Shared<H>>, answer: Pin<Box<dyn Future<Output = Response>>>, limit: Duration, then: Then) {
    let watched = shared.watch.enter();
    let patience = shared.config.timeouts.handler;
    watched.set(Instant::now() + limit.min(patience));
    let response = match watched.race(false, answer).await {
        Ok(response) => response,
        Err(End::Deadline) if limit >= patience => too_slow(),
        Err(End::Deadline | End::Stopping | End::Killed) => return then(None),
    };
    shared.note(&response);
    then(Some(response));
}
