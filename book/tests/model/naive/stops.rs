//! Stops: which are elected by the trades of a command, and when they enter.

use super::enter::{Entry, reaches};
use super::{Naive, Order};
use book::{Event, Phase, Side};
use std::collections::VecDeque;

impl Naive {
    /// At the end of a command: the stops that its trades reach line up and enter one after the
    /// other. Those that an entry's own trades reach line up behind the ones already there.
    pub(super) fn elect_stops(&mut self, events: &mut Vec<Event>) {
        if self.phase != Phase::Continuous {
            return;
        }
        let mut line = VecDeque::new();
        self.line_up(&mut line, 1);
        while let Some((order, depth)) = line.pop_front() {
            let stop = order.stop.expect("it has waited as a stop");
            let entry = Entry { tif: stop.tif, self_trade: stop.self_trade };
            self.activate(Order { stop: None, ..order }, entry, depth, events);
            self.line_up(&mut line, depth + 1);
        }
    }

    /// Moves the stops that the prices since the last time reach to the end of the line: buys by
    /// rising trigger, then sells by falling trigger, at one trigger by arrival.
    fn line_up(&mut self, line: &mut VecDeque<(Order, usize)>, depth: usize) {
        let Some((low, high)) = self.traded.take() else { return };
        for (side, price) in [(Side::Buy, high), (Side::Sell, low)] {
            let stops = &mut self.stops[side as usize];
            let (elected, others) = stops.drain(..).partition(|order| {
                let stop = order.stop.expect("only stops are in this list");
                reaches(order, stop.trigger, price)
            });
            *stops = others;
            let elected: Vec<Order> = elected;
            line.extend(elected.into_iter().map(|order| (order, depth)));
        }
    }
}
