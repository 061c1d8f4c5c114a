//! A ring between two threads with the bell of the one that takes.

use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use super::bell::Bell;

/// A ring of `capacity` messages to the thread that sleeps by `bell`.
pub fn channel<T>(capacity: usize, bell: &Arc<Bell>) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = RingBuffer::new(capacity);
    (Sender { producer: Some(producer), bell: Arc::clone(bell) }, Receiver { consumer })
}

/// The end that puts. Dropping it wakes the receiver, which then finds it [gone](Receiver::is_abandoned).
pub struct Sender<T> {
    /// Taken by drop only: it must be gone before the bell is rung.
    producer: Option<Producer<T>>,
    bell: Arc<Bell>,
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        drop(self.producer.take());
        self.bell.ring();
    }
}

impl<T> Sender<T> {
    /// Puts a message and wakes the receiver; gives it back when there is no room.
    pub fn send(&mut self, message: T) -> Result<(), T> {
        let sent = self.producer.as_mut().expect(THERE).push(message);
        self.bell.ring();
        sent.map_err(|rtrb::PushError::Full(message)| message)
    }

    /// Puts a message and lets the receiver sleep: [`Sender::wake`] is rung once for many. Gives it back when there is no
    /// room.
    pub fn put(&mut self, message: T) -> Result<(), T> {
        let sent = self.producer.as_mut().expect(THERE).push(message);
        sent.map_err(|rtrb::PushError::Full(message)| message)
    }

    /// Wakes the receiver.
    pub fn wake(&self) {
        self.bell.ring();
    }

    /// Room for this many messages.
    pub fn room(&self) -> usize {
        self.producer.as_ref().expect(THERE).slots()
    }

    /// Whether the receiver is gone.
    pub fn is_abandoned(&self) -> bool {
        self.producer.as_ref().expect(THERE).is_abandoned()
    }
}

/// Why the producer can be used.
const THERE: &str = "only drop takes the producer";

/// The end that takes.
pub struct Receiver<T> {
    consumer: Consumer<T>,
}

impl<T> Receiver<T> {
    /// The next message.
    pub fn receive(&mut self) -> Option<T> {
        self.consumer.pop().ok()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// Whether the sender is gone.
    pub fn is_abandoned(&self) -> bool {
        self.consumer.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_gives_the_message_back() {
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let (mut sender, mut receiver) = channel(2, &bell);
        assert_eq!((sender.send(1), sender.send(2), sender.send(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(
            (receiver.receive(), receiver.receive(), receiver.receive()),
            (Some(1), Some(2), None)
        );
        drop(sender);
        assert!(receiver.is_abandoned() && receiver.is_empty());
    }
}
