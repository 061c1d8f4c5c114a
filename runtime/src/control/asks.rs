//! What the administration port asks, answered by control.
//!
//! What can be answered at once is. What the thread of the lists has to do first is remembered under a ticket; its answer
//! comes after what it changed has been taken over, so that an answer tells how things stand, not how they stood.

use std::collections::BTreeMap;

use shards::Address;
use tokio::sync::oneshot;

use super::health::Vitals;
use super::lists::{Done, Named, Order};
use super::roster::Removal;
use crate::admin::{Account, Admin, Answer, Ask, Asked, Status};
use crate::diag::Problem;

/// Answers that wait for the thread of the lists.
const WAITING_MAX: usize = 256;

/// What is asked about: the node, and a stand-in for it in tests.
pub trait House {
    /// What health is judged by.
    fn vitals(&self) -> Vitals;
    /// The counters.
    fn status(&self) -> Status;
    /// Every account, by address.
    fn accounts(&self) -> Vec<Account>;
    /// One account, if it is wanted or leaves.
    fn account(&self, address: &Address) -> Option<Account>;
    /// Gives an order to the thread of the lists; it comes back when too many wait.
    fn order(&mut self, order: Order) -> Result<(), Order>;
    /// Lets an account that no list names go at once.
    fn remove_now(&mut self, address: &Address) -> Removal;
    /// Percent of the accounts that are live.
    fn canary_ratio(&self) -> u8;
    /// Changes it; `false` when that cannot be ordered now.
    fn set_canary_ratio(&mut self, ratio: u8) -> bool;
}

/// Questions, and those that wait for an answer.
#[derive(Default)]
pub struct Asks {
    admin: Option<Admin>,
    waiting: BTreeMap<u64, Waiting>,
    tickets: u64,
}

struct Waiting {
    what: What,
    /// `None` for an order that came by a signal.
    answer: Option<oneshot::Sender<Answer>>,
}

enum What {
    Added(Vec<Named>),
    Removed { address: Address, now: bool },
    Reloaded,
}

impl Asks {
    /// Takes questions from the administration port, if there is one.
    pub fn new(admin: Option<Admin>) -> Asks {
        Asks { admin, ..Asks::default() }
    }

    /// Whether somebody asks.
    pub fn has_news(&self) -> bool {
        self.admin.as_ref().is_some_and(Admin::has_news)
    }

    /// Takes what is asked.
    pub fn turn(&mut self, house: &mut impl House) {
        while let Some(asked) = self.admin.as_mut().and_then(Admin::receive) {
            self.take(asked, house);
        }
    }

    fn take(&mut self, Asked { ask, answer }: Asked, house: &mut impl House) {
        let now = match ask {
            Ask::Health => Answer::Health(house.vitals().judge()),
            Ask::Status => Answer::Status(Box::new(house.status())),
            Ask::Accounts => Answer::Accounts(house.accounts()),
            Ask::Canary => Answer::Canary(house.canary_ratio()),
            Ask::SetCanary(ratio) => match house.set_canary_ratio(ratio) {
                true => Answer::Canary(ratio),
                false => Answer::Refused(too_much()),
            },
            Ask::Add(accounts) if accounts.is_empty() => Answer::Added(Vec::new()),
            Ask::Add(accounts) => {
                let what = What::Added(accounts.clone());
                return self
                    .order(what, Some(answer), house, |ticket| Order::Add { ticket, accounts });
            }
            Ask::Remove { address, now } => {
                let what = What::Removed { address, now };
                let addresses = vec![address];
                let order = |ticket| Order::Remove { ticket, addresses };
                return self.order(what, Some(answer), house, order);
            }
            Ask::Reload => return self.reload(Some(answer), house),
        };
        // Whoever asked may have gone away.
        let _ = answer.send(now);
    }

    /// Everything is read again because of a signal: [`Asks::done`] gives the outcome back.
    pub fn reload_by_signal(&mut self, house: &mut impl House) {
        self.reload(None, house);
    }

    fn reload(&mut self, answer: Option<oneshot::Sender<Answer>>, house: &mut impl House) {
        self.order(What::Reloaded, answer, house, |ticket| Order::Reload { ticket });
    }

    fn order(
        &mut self,
        what: What,
        answer: Option<oneshot::Sender<Answer>>,
        house: &mut impl House,
        order: impl FnOnce(u64) -> Order,
    ) {
        self.tickets += 1;
        let has_room = self.waiting.len() < WAITING_MAX;
        if has_room && house.order(order(self.tickets)).is_ok() {
            self.waiting.insert(self.tickets, Waiting { what, answer });
        } else if let Some(answer) = answer {
            let _ = answer.send(Answer::Refused(too_much()));
        }
    }

    /// An order was carried out; what it changed has been taken over. Gives back what nobody waits for: a reload by signal.
    pub fn done(&mut self, ticket: u64, done: Done, house: &mut impl House) -> Option<Done> {
        let Waiting { what, answer } = self.waiting.remove(&ticket)?;
        let Some(answer) = answer else { return Some(done) };
        let said = match (done, what) {
            (Done::Refused(problem), _) => Answer::Refused(problem),
            (Done::Reloaded(names), _) => Answer::Reloaded(names),
            (Done::Written(changed), What::Added(accounts)) => added(&accounts, &changed, house),
            (Done::Written(found), What::Removed { address, now }) => {
                let was_listed = found.first() == Some(&true);
                if now {
                    // Who is still named by a list stays, which the answer says.
                    house.remove_now(&address);
                }
                Answer::Removed { was_listed, account: house.account(&address) }
            }
            (Done::Written(_), What::Reloaded) => {
                unreachable!("a reload is answered by what was reloaded")
            }
        };
        let _ = answer.send(said);
        None
    }
}

fn added(accounts: &[Named], changed: &[bool], house: &impl House) -> Answer {
    let stands = |(account, changed): (&Named, &bool)| {
        // Another program may have taken it off the list in this moment.
        house.account(&account.address).map(|found| (*changed, found))
    };
    let found: Option<Vec<_>> = accounts.iter().zip(changed).map(stands).collect();
    match found {
        Some(found) => Answer::Added(found),
        None => {
            let what = "an address was taken off the list while it was added";
            Answer::Refused(Problem::error("ADM006", what).fix("look, and add it again"))
        }
    }
}

fn too_much() -> Problem {
    Problem::error("ADM006", "too many orders wait to be carried out").fix("ask again")
}
