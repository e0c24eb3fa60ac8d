//! Seats that are shared out evenly: no party waits behind the whole queue of another one.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Seats of one lane. Clones share them.
///
/// # Guarantees
/// A free seat goes to the waiting party that has the fewest, in turn among equals, and within a party to
/// who came first. No party has more than its own most, whoever else waits.
#[derive(Clone, Debug)]
pub(super) struct Seats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Those who sit or wait; in front whose turn was longest ago.
    parties: VecDeque<Party>,
}

#[derive(Debug)]
struct Party {
    name: Arc<str>,
    seated: usize,
    waiting: VecDeque<oneshot::Sender<Seat>>,
}

/// A seat; free again when this is dropped, also on its way to somebody who has stopped waiting.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    party: Arc<str>,
}

// === impl Seats ===

impl Seats {
    /// `count` seats, of which one party takes at most `most`.
    pub(super) fn new(count: usize, most: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            state: Mutex::new(State {
                free: count,
                parties: VecDeque::new(),
            }),
        }))
    }

    pub(super) async fn take(&self, party: &str) -> Seat {
        let (sender, seat) = oneshot::channel();
        self.0.state.lock().party(party).waiting.push_back(sender);
        self.share_out();
        seat.await
            .expect("whoever waits stays in the queue until it is sent a seat")
    }

    /// Gives the free seats to those whose turn it is. A seat is sent, and one that nobody takes dropped,
    /// only once the lock is free again.
    fn share_out(&self) {
        loop {
            let next = self.0.state.lock().next(self.0.most);
            let Some((party, waiter)) = next else {
                return;
            };
            let seats = self.clone();
            drop(waiter.send(Seat { seats, party }));
        }
    }
}

// === impl State ===

impl State {
    fn party(&mut self, name: &str) -> &mut Party {
        let known = self.parties.iter().position(|party| *party.name == *name);
        let at = known.unwrap_or_else(|| {
            self.parties.push_back(Party {
                name: name.into(),
                seated: 0,
                waiting: VecDeque::new(),
            });
            self.parties.len() - 1
        });
        &mut self.parties[at]
    }

    fn next(&mut self, most: usize) -> Option<(Arc<str>, oneshot::Sender<Seat>)> {
        for party in &mut self.parties {
            party.waiting.retain(|waiter| !waiter.is_closed());
        }
        self.parties
            .retain(|party| party.seated > 0 || !party.waiting.is_empty());
        if self.free == 0 {
            return None;
        }
        let waiting = self.parties.iter().enumerate();
        let (at, _) = waiting
            .filter(|(_, party)| !party.waiting.is_empty() && party.seated < most)
            .min_by_key(|(_, party)| party.seated)?;
        let mut party = self.parties.remove(at)?;
        let waiter = party.waiting.pop_front()?;
        party.seated += 1;
        self.free -= 1;
        let name = Arc::clone(&party.name);
        self.parties.push_back(party);
        Some((name, waiter))
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.seats.0.state.lock();
        state.free += 1;
        state.party(&self.party).seated -= 1;
        drop(state);
        self.seats.share_out();
    }
}
