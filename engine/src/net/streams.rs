//! SIP over TCP: listeners, connections and their two directions.
//!
//! ```text
//!   accept ─┐                       ┌─► read ─► Streams::handle_bytes ─► poll_message ─► Handler
//!   connect ┴─► Streams::open ──────┤
//!                                   └─◄ write ◄─ Streams::front ◄─ queue ◄─ StreamSet::send
//! ```
//! Shape:  one [`StreamSet`] for all listeners of a shard. A connection has one task that reads and, while something waits, one
//!         that writes. The rules are those of [`sip::transport`]; here is only the socket.
//! Units:  one look at the clock each second; 16 KiB are read at once into one buffer for all.
//! Errors: none after binding: a connection that fails is closed, counted, and told to the [`Handler`].
//! Dead peers: the kernel asks after 30 s of silence, and gives up 30 s after that; see [`rt::TcpStream::watch_peer`].
//! Not here: TLS. It would wrap the socket between the two tasks and the table.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rt::{Latch, TcpListener, TcpStream};
use sip::flow::ListenerId;
use sip::transport::{CloseReason, Origin, StreamId, StreamLimits, StreamStats, Streams};

use super::Handler;

/// The TCP connections of a shard.
pub struct StreamSet {
    table: RefCell<Streams>,
    sockets: RefCell<HashMap<StreamId, Rc<Socket>>>,
    scratch: RefCell<Vec<u8>>,
    accept_errors: Cell<u64>,
    /// Addresses that the listeners are bound to, where that is one and not all of the host.
    bound: RefCell<HashMap<ListenerId, IpAddr>>,
}

struct Socket {
    stream: RefCell<TcpStream>,
    writing: Cell<bool>,
}

impl StreamSet {
    /// No connections yet.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Rc<Self> {
        Rc::new(Self {
            table: RefCell::new(Streams::new(limits)),
            sockets: RefCell::default(),
            scratch: RefCell::new(vec![0; READ_BYTES]),
            accept_errors: Cell::new(0),
            bound: RefCell::default(),
        })
    }

    /// Counters and gauges.
    pub fn stats(&self) -> StreamStats {
        self.table.borrow().stats()
    }

    /// Accepts that failed, most often because descriptors were short.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.get()
    }

    /// Takes connections of one listener until `stop` opens.
    pub async fn accept(self: Rc<Self>, id: ListenerId, listener: TcpListener, handler: Rc<impl Handler + 'static>, stop: Latch) {
        let ip = listener.local_addr().ip();
        if !ip.is_unspecified() {
            self.bound.borrow_mut().insert(id, ip);
        }
        let mut errors = 0;
        while let rt::Either::First((stream, peer)) = rt::select(listener.accept(), stop.wait()).await {
            self.accept_errors.set(self.accept_errors.get() + listener.accept_errors() - errors);
            errors = listener.accept_errors();
            // One that is refused is closed by its drop; it costs no task and no memory.
            let Ok(stream_id) = self.table.borrow_mut().open(id, peer, Origin::Accepted, Instant::now()) else { continue };
            handler.stream_opened(id, peer);
            self.serve(stream_id, id, peer, stream, &handler);
        }
    }

    /// Looks at the clock until `stop` opens, then ends all connections.
    pub async fn watch(self: Rc<Self>, handler: Rc<impl Handler + 'static>, stop: Latch) {
        while let rt::Either::First(()) = rt::select(rt::sleep(CLOCK), stop.wait()).await {
            if self.table.borrow().is_empty() {
                continue;
            }
            let pings = self.table.borrow_mut().handle_timeout(Instant::now());
            for id in pings {
                self.start_writing(id, &handler);
            }
            self.settle(&*handler);
            handler.flush();
        }
        self.table.borrow_mut().close_all(CloseReason::Shutdown);
        self.settle(&*handler);
    }

    /// Sends over the connection to `peer`; opens one if there is none.
    pub fn send(self: &Rc<Self>, listener: ListenerId, peer: SocketAddr, bytes: Vec<u8>, handler: &Rc<impl Handler + 'static>) {
        let now = Instant::now();
        let known = self.table.borrow().find(listener, peer);
        let id = match known {
            Some(id) => id,
            None => {
                let Ok(id) = self.table.borrow_mut().open(listener, peer, Origin::Dialled, now) else {
                    return handler.stream_closed(listener, peer, CloseReason::Unreachable);
                };
                let (set, handler) = (Rc::clone(self), Rc::clone(handler));
                rt::spawn_local(async move { set.dial(id, listener, peer, handler).await });
                id
            }
        };
        let first = self.table.borrow_mut().queue(id, bytes, now);
        match first {
            Some(true) => self.start_writing(id, handler),
            Some(false) => {}
            None => self.settle(&**handler),
        }
    }

    async fn dial(self: Rc<Self>, id: StreamId, listener: ListenerId, peer: SocketAddr, handler: Rc<impl Handler + 'static>) {
        // The far end sees the address that our messages name.
        let bound = self.bound.borrow().get(&listener).copied();
        let connected = match bound {
            Some(local) => rt::connect_from(local, peer, CONNECT_WITHIN).await,
            None => rt::connect(peer, CONNECT_WITHIN).await,
        };
        match connected {
            Ok(stream) if self.table.borrow().is_live(id) => {
                self.table.borrow_mut().connected(id, Instant::now());
                handler.stream_opened(listener, peer);
                self.serve(id, listener, peer, stream, &handler);
                self.start_writing(id, &handler);
            }
            // It was given up while it was being opened.
            Ok(_) => {}
            Err(_) => {
                self.table.borrow_mut().close(id, CloseReason::Unreachable);
                self.settle(&*handler);
                handler.flush();
            }
        }
    }

    /// Begins to read a connection.
    fn serve(
        self: &Rc<Self>,
        id: StreamId,
        listener: ListenerId,
        peer: SocketAddr,
        stream: TcpStream,
        handler: &Rc<impl Handler + 'static>,
    ) {
        // A kernel that refuses leaves it to our own clocks.
        let _ = stream.watch_peer(DEAD_AFTER);
        let socket = Rc::new(Socket { stream: RefCell::new(stream), writing: Cell::new(false) });
        self.sockets.borrow_mut().insert(id, Rc::clone(&socket));
        let (set, handler) = (Rc::clone(self), Rc::clone(handler));
        rt::spawn_local(async move {
            while poll_fn(|cx| set.poll_read(cx, &socket, id)).await {
                set.deliver(id, listener, peer, &*handler);
                if set.table.borrow().front(id).is_some() {
                    set.start_writing(id, &handler);
                }
                set.settle(&*handler);
                handler.flush();
            }
            set.table.borrow_mut().close(id, CloseReason::Peer);
            set.settle(&*handler);
            handler.flush();
        });
    }

    /// Gives the whole messages of a connection to the handler.
    fn deliver(&self, id: StreamId, listener: ListenerId, peer: SocketAddr, handler: &impl Handler) {
        let now = Instant::now();
        let mut table = self.table.borrow_mut();
        while let Some(message) = table.poll_message(id, now) {
            handler.handle_datagram(usize::from(listener.0), peer, message);
        }
    }

    /// Ready with true when bytes came; with false at the end of the connection, whichever side ended it.
    fn poll_read(&self, cx: &mut Context<'_>, socket: &Socket, id: StreamId) -> Poll<bool> {
        let mut scratch = self.scratch.borrow_mut();
        let read = ready!(socket.stream.borrow_mut().poll_read_into(cx, &mut scratch));
        let mut table = self.table.borrow_mut();
        match read {
            Ok(count) if count > 0 && table.is_live(id) => {
                table.handle_bytes(id, scratch.get(..count).unwrap_or_default(), Instant::now());
                Poll::Ready(true)
            }
            Ok(_) | Err(_) => Poll::Ready(false),
        }
    }

    fn start_writing(self: &Rc<Self>, id: StreamId, handler: &Rc<impl Handler + 'static>) {
        let Some(socket) = self.sockets.borrow().get(&id).cloned() else { return };
        if socket.writing.replace(true) {
            return;
        }
        let (set, handler) = (Rc::clone(self), Rc::clone(handler));
        rt::spawn_local(async move {
            let fine = poll_fn(|cx| set.poll_write(cx, &socket, id)).await;
            socket.writing.set(false);
            if !fine {
                set.table.borrow_mut().close(id, CloseReason::Peer);
                set.settle(&*handler);
                handler.flush();
            }
        });
    }

    /// Ready with true when nothing waits any more, with false when the connection fails.
    fn poll_write(&self, cx: &mut Context<'_>, socket: &Socket, id: StreamId) -> Poll<bool> {
        loop {
            let mut table = self.table.borrow_mut();
            let Some(front) = table.front(id) else { return Poll::Ready(true) };
            let written = ready!(socket.stream.borrow_mut().poll_write_from(cx, front));
            match written {
                Ok(count) if count > 0 => table.wrote(id, count, Instant::now()),
                Ok(_) | Err(_) => return Poll::Ready(false),
            }
        }
    }

    /// Closes the sockets of connections that have ended, and says so.
    fn settle(&self, handler: &impl Handler) {
        loop {
            let ended = self.table.borrow_mut().poll_closed();
            let Some((id, listener, peer, reason)) = ended else { return };
            let socket = self.sockets.borrow_mut().remove(&id);
            if let Some(socket) = socket {
                // The task that reads holds it too; it wakes by this, and ends.
                socket.stream.borrow().abort();
            }
            handler.stream_closed(listener, peer, reason);
        }
    }
}

/// Two messages of the largest usual size; a longer one takes more rounds.
const READ_BYTES: usize = 16 << 10;
const CLOCK: Duration = Duration::from_secs(1);
/// A SYN is repeated after 1 and 3 s: what has not answered by then is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const DEAD_AFTER: Duration = Duration::from_secs(30);
