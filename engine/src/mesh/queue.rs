//! One direction between two shards.
//!
//! Shape:  [`Sender`] and [`Receiver`] are neither `Clone` nor shared: one producer, one consumer.
//! Errors: [`Full`] gives the item back.

use crossbeam::queue::ArrayQueue;
use rt::Wake;
use std::sync::Arc;

/// The queue had no place; this is the item.
#[derive(Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// The producing end.
#[derive(Debug)]
pub struct Sender<T> {
    queue: Arc<ArrayQueue<T>>,
    consumer: Wake,
}

/// The consuming end. The consumer waits on the [`rt::Signal`] whose [`Wake`] was given to [`link`].
#[derive(Debug)]
pub struct Receiver<T>(Arc<ArrayQueue<T>>);

/// A queue of `capacity` items towards the shard that `consumer` wakes.
///
/// # Panics
/// If `capacity` is 0.
pub fn link<T>(capacity: usize, consumer: Wake) -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(ArrayQueue::new(capacity));
    (Sender { queue: Arc::clone(&queue), consumer }, Receiver(queue))
}

impl<T> Sender<T> {
    /// Queues `item` without waking the consumer.
    ///
    /// # Errors
    /// [`Full`] with the item.
    pub fn push(&self, item: T) -> Result<(), Full<T>> {
        self.queue.push(item).map_err(Full)
    }

    /// Items that wait now.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Wakes the consumer if it sleeps.
    pub fn wake(&self) {
        self.consumer.fire();
    }

    /// Queues `item` and wakes the consumer if it sleeps.
    ///
    /// # Errors
    /// [`Full`] with the item; the consumer is awake already, or will be.
    pub fn send(&self, item: T) -> Result<(), Full<T>> {
        let pushed = self.push(item);
        self.wake();
        pushed
    }
}

impl<T> Receiver<T> {
    /// The oldest item.
    pub fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let (wake, _signal) = rt::signal();
        let (sender, receiver) = link(2, wake);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Ok(()));
        assert_eq!(sender.send(3), Err(Full(3)));
        assert_eq!(receiver.pop(), Some(1));
        assert_eq!(sender.push(4), Ok(()));
        assert_eq!((receiver.pop(), receiver.pop(), receiver.pop()), (Some(2), Some(4), None));
        assert!(receiver.is_empty());
    }
}
