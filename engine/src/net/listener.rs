//! One bound UDP socket and its loop.
//!
//! Shape:  datagrams reach a [`Handler`] in order of arrival, at most 64 between two calls of its `flush`.
//! Units:  1 ms between two rounds of a busy socket; one that takes less than two datagrams makes it idle.
//! Errors: none after binding; a receive error is counted and followed by a pause of 10 ms.

use crate::os::datagrams::{BATCH, ReceiveBatch, SendBatch, set_receive_buffer, waiting_bytes};
use rt::{BindError, Latch, UdpSocket};
use sip::{flow::ListenerId, transport::CloseReason};
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// Takes what listeners and connections receive. `&self`: several feed one.
pub trait Handler {
    /// One datagram, or one message of a connection. Answers may be queued meanwhile, and go out with `flush`.
    fn handle_datagram(&self, listener: usize, from: SocketAddr, bytes: &[u8]);
    /// The end of a batch: what was put off is to be done now, and answers sent.
    fn flush(&self);
    /// How long the datagrams that are waiting now will have waited.
    fn lag(&self, _listener: usize, _lag: Duration) {}
    /// A connection is there.
    fn stream_opened(&self, _listener: ListenerId, _peer: SocketAddr) {}
    /// A connection is gone, or could not be had. To be taken in at once; what follows from it goes out with `flush`.
    fn stream_closed(&self, _listener: ListenerId, _peer: SocketAddr, _reason: CloseReason) {}
}

/// What a listener has seen since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams that the kernel took for sending.
    pub sent: u64,
    /// Datagrams that the kernel refused to send.
    pub send_refused: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
}

/// One bound UDP socket.
#[derive(Debug)]
pub struct Listener {
    id: usize,
    socket: UdpSocket,
    receive_buffer: usize,
    incoming: RefCell<ReceiveBatch>,
    outgoing: RefCell<SendBatch>,
    counters: Cell<Counters>,
}

impl Listener {
    /// Binds `address`, trying again for 2 s while it is in use. `id` is the number that datagrams are handed on with.
    ///
    /// # Errors
    /// [`BindError`] with the remedy.
    pub async fn bind(id: usize, address: SocketAddr) -> Result<Self, BindError> {
        Ok(Self::with(id, UdpSocket::bind(address, RECEIVE_BUFFER).await?))
    }

    /// Takes a socket that was bound, with a receive buffer of [`RECEIVE_BUFFER`].
    pub fn with(id: usize, socket: UdpSocket) -> Self {
        let receive_buffer = set_receive_buffer(socket.as_fd(), RECEIVE_BUFFER);
        Self {
            id,
            socket,
            receive_buffer,
            incoming: RefCell::new(ReceiveBatch::new()),
            outgoing: RefCell::new(SendBatch::new()),
            counters: Cell::new(Counters::default()),
        }
    }

    /// The number given to [`Listener::bind`].
    pub fn id(&self) -> usize {
        self.id
    }

    /// The address it is bound to, with the port the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Receive buffer in force, in bytes as the kernel counts them; less than twice 4 MiB where `net.core.rmem_max` rules.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters.get()
    }

    /// Receives until `stop` opens. Call once per listener.
    pub async fn run(&self, handler: &impl Handler, stop: &Latch) {
        while !stop.is_open() {
            if let rt::Either::First(ready) = rt::select(self.socket.readable(), stop.wait()).await {
                if ready.is_err() {
                    self.count(|counters| counters.receive_errors += 1);
                    rt::sleep(ERROR_PAUSE).await;
                }
                self.rounds(handler, stop).await;
            }
        }
    }

    async fn rounds(&self, handler: &impl Handler, stop: &Latch) {
        while !stop.is_open() {
            match self.round(handler) {
                // More is waiting, but so are the other tasks of the shard.
                BATCH => rt::yield_now().await,
                // A round costs as much as a wake: it pays when it takes two.
                0 | 1 => return,
                _ => rt::sleep(ROUND).await,
            }
        }
    }

    fn round(&self, handler: &impl Handler) -> usize {
        let mut incoming = self.incoming.borrow_mut();
        let taken = incoming.receive(self.socket.as_fd()).unwrap_or_else(|_| {
            self.count(|counters| counters.receive_errors += 1);
            0
        });
        if taken == 0 {
            return 0;
        }
        self.count(|counters| counters.received += taken as u64);
        let start = Instant::now();
        for (from, bytes) in incoming.iter() {
            handler.handle_datagram(self.id, from, bytes);
        }
        handler.flush();
        self.flush();
        // Nothing more waits behind a batch that is not full.
        let waiting = if taken == BATCH { waiting_bytes(self.socket.as_fd()) / DATAGRAM_COST } else { 0 };
        let each = start.elapsed() / BATCH as u32;
        handler.lag(self.id, each.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX)));
        taken
    }

    /// Queues a datagram to `to`; a full batch of 64 goes out at once, a smaller one with [`Listener::flush`].
    pub fn queue(&self, to: SocketAddr, bytes: &[u8]) {
        let full = self.outgoing.borrow_mut().push(to, bytes);
        if full {
            self.flush();
        }
    }

    /// Sends all that is queued.
    pub fn flush(&self) {
        let mut outgoing = self.outgoing.borrow_mut();
        if !outgoing.is_empty() {
            let result = outgoing.flush(self.socket.as_fd());
            self.count(|counters| {
                counters.sent += result.sent;
                counters.send_refused += result.refused;
            });
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

/// Bytes that a socket may hold.
pub const RECEIVE_BUFFER: usize = 4 << 20;
const ROUND: Duration = Duration::from_millis(1);
/// What Linux counts for a datagram of up to some 700 bytes in a receive queue; a longer one counts twice that.
const DATAGRAM_COST: usize = 1280;
const ERROR_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket as Phone, rc::Rc};

    /// Sends everything back in capitals.
    struct Shout(Vec<Rc<Listener>>);

    impl Handler for Shout {
        fn handle_datagram(&self, listener: usize, from: SocketAddr, bytes: &[u8]) {
            self.0[listener].queue(from, &bytes.to_ascii_uppercase());
        }

        fn flush(&self) {
            for listener in &self.0 {
                listener.flush();
            }
        }
    }

    #[test]
    fn two_listeners_answer_single_messages_and_bursts() {
        rt::run_test(async {
            let stop = Latch::new();
            let mut listeners = Vec::new();
            for (id, ip) in ["127.0.0.1:0", "[::1]:0"].iter().enumerate() {
                listeners.push(Rc::new(Listener::bind(id, ip.parse().unwrap()).await.unwrap()));
            }
            let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr()).collect();
            let handler = Rc::new(Shout(listeners.clone()));
            let tasks: Vec<_> = listeners
                .iter()
                .map(|listener| {
                    let (listener, handler, stop) = (Rc::clone(listener), Rc::clone(&handler), stop.clone());
                    rt::spawn_local(async move { listener.run(&*handler, &stop).await })
                })
                .collect();
            for (listener, address) in listeners.iter().zip(addresses) {
                rt::spawn_blocking(move || {
                    let phone = Phone::bind((address.ip(), 0)).unwrap();
                    phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    for burst in [1, 200, 1, 64] {
                        for n in 0..burst {
                            phone.send_to(format!("invite {n}").as_bytes(), address).unwrap();
                        }
                        let mut bytes = [0; 100];
                        for n in 0..burst {
                            let (len, from) = phone.recv_from(&mut bytes).unwrap();
                            assert_eq!((&bytes[..len], from), (format!("INVITE {n}").as_bytes(), address));
                        }
                    }
                })
                .await;
                let counters = listener.counters();
                assert_eq!((counters.received, counters.sent), (266, 266), "{counters:?}");
                assert!(listener.receive_buffer() > 0);
            }
            stop.open();
            for task in tasks {
                task.await;
            }
        });
    }

    #[test]
    fn a_taken_port_is_named_with_its_remedy() {
        rt::run_test(async {
            let first = Listener::bind(0, "127.0.0.1:0".parse().unwrap()).await.unwrap();
            let text = Listener::bind(1, first.local_addr()).await.unwrap_err().to_string();
            assert!(text.contains(&format!("udp {}", first.local_addr())) && text.contains("choose another port"), "{text}");
        });
    }
}
