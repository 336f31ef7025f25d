//! The sockets of a ring by place: their number in the registered files.
//!
//! ```text
//! Free ──open──► Open ──close──► Closing ──receive has ended──► released, Free with the next generation
//! ```
//! Shape:  as many places as the ring has registered files; the lowest recently freed is used first.
//! Errors: `None` for a [`SocketId`] of a closed socket: ids are never valid again, places are.

use super::line::Line;
use std::{collections::VecDeque, net::IpAddr, os::fd::OwnedFd};

/// A socket of one ring. Stays distinguishable from all later sockets of the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

impl SocketId {
    /// Its number in the ring's table, for tables beside it. Numbers of closed sockets are used again.
    pub const fn place(self) -> usize {
        self.place as usize
    }
}

/// How long the packets of a socket may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketSize {
    /// Up to 468 bytes: telephony codecs up to 40 ms.
    #[default]
    Small,
    /// Up to 2004 bytes: L16, long packets, DTLS.
    Large,
}

impl PacketSize {
    pub(super) const fn group(self) -> u8 {
        match self {
            Self::Small => 0,
            Self::Large => 1,
        }
    }
}

#[derive(Debug)]
pub(super) struct Open {
    /// Closed when this is dropped, after the ring's table let go of it.
    pub fd: OwnedFd,
    pub ip: IpAddr,
    /// The even port of its pair.
    pub pair: u16,
    pub size: PacketSize,
    /// The receive that is armed, with buffers of this size; it completes with a last entry some day.
    pub armed: Option<PacketSize>,
    /// The socket goes as soon as nothing is armed.
    pub closing: bool,
    /// The socket goes to another ring as soon as nothing is armed.
    pub parting: bool,
    /// Packets that the kernel had dropped for want of room when it was asked last.
    pub dropped: u32,
    /// What it is connected to.
    pub line: Line,
}

impl Open {
    /// A socket that is not armed yet.
    pub const fn new(fd: OwnedFd, ip: IpAddr, pair: u16, size: PacketSize) -> Self {
        Self { fd, ip, pair, size, armed: None, closing: false, parting: false, dropped: 0, line: Line::NEVER }
    }

    /// Packets of it are wanted here.
    pub const fn receives(&self) -> bool {
        !self.closing && !self.parting
    }
}

#[derive(Debug)]
struct Place {
    generation: u32,
    open: Option<Open>,
}

#[derive(Debug)]
pub(super) struct Sockets {
    places: Vec<Place>,
    free: VecDeque<u32>,
    armed: usize,
}

impl Sockets {
    pub fn new(places: u32) -> Self {
        Self { places: (0..places).map(|_| Place { generation: 0, open: None }).collect(), free: (0..places).collect(), armed: 0 }
    }

    /// The place that the next [`Sockets::insert`] will use.
    pub fn next_place(&self) -> Option<u32> {
        self.free.front().copied()
    }

    /// Puts a socket into the next place. Without one it comes back.
    pub fn insert(&mut self, open: Open) -> Result<SocketId, Box<Open>> {
        let Some(place) = self.free.pop_front() else { return Err(Box::new(open)) };
        let Some(entry) = self.places.get_mut(place as usize) else { return Err(Box::new(open)) };
        entry.open = Some(open);
        Ok(SocketId { place, generation: entry.generation })
    }

    pub fn get(&self, id: SocketId) -> Option<&Open> {
        self.places.get(id.place as usize).filter(|entry| entry.generation == id.generation)?.open.as_ref()
    }

    /// An open socket, to change what is not `armed`.
    pub fn get_mut(&mut self, id: SocketId) -> Option<&mut Open> {
        self.places.get_mut(id.place as usize).filter(|entry| entry.generation == id.generation)?.open.as_mut()
    }

    /// Changes a socket, keeping the count of armed receives.
    pub fn change<T>(&mut self, id: SocketId, change: impl FnOnce(&mut Open) -> T) -> Option<T> {
        let entry = self.places.get_mut(id.place as usize).filter(|entry| entry.generation == id.generation)?;
        let open = entry.open.as_mut()?;
        let before = usize::from(open.armed.is_some());
        let answer = change(open);
        self.armed = self.armed - before + usize::from(open.armed.is_some());
        Some(answer)
    }

    /// Frees the place and gives the socket back, to be closed by dropping it.
    pub fn remove(&mut self, id: SocketId) -> Option<Open> {
        let entry = self.places.get_mut(id.place as usize).filter(|entry| entry.generation == id.generation)?;
        let open = entry.open.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.armed -= usize::from(open.armed.is_some());
        self.free.push_front(id.place);
        Some(open)
    }

    /// The socket in a place.
    pub fn at(&self, place: usize) -> Option<SocketId> {
        let entry = self.places.get(place).filter(|entry| entry.open.is_some())?;
        Some(SocketId { place: u32::try_from(place).ok()?, generation: entry.generation })
    }

    /// How many places there are.
    pub const fn places(&self) -> usize {
        self.places.len()
    }

    /// All sockets, closing ones included.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.places
            .iter()
            .zip(0..)
            .filter(|(entry, _)| entry.open.is_some())
            .map(|(entry, place)| SocketId { place, generation: entry.generation })
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Receives that the kernel still holds.
    pub const fn armed(&self) -> usize {
        self.armed
    }
}
