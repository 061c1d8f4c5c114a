//! Looks hosts up: one thread for each host, so that one whose name servers do not answer holds up nothing else.
//!
//! The system decides how long a look-up may take. What is asked for meanwhile is answered by one more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use net::Target;

use super::Answer;
use crate::control::{failure, new_bell, placement};
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor;

/// Orders and answers that may wait: the links of a shard that lose a server all ask.
const MESSAGES_MAX: usize = 1024;
/// How long the thread sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The thread of one host, seen from control. It ends when this is dropped, after the look-up that is under way.
pub(super) struct Resolver {
    host: Target,
    /// Indices of the sources there.
    sources: Vec<usize>,
    orders: Sender<usize>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a thread for each host among these: index of a source, and its server.
pub(super) fn start(
    targets: impl Iterator<Item = (usize, Target)>,
    control: &Arc<Bell>,
) -> Result<Vec<Resolver>, Problem> {
    let mut resolvers: Vec<Resolver> = Vec::new();
    for (source, target) in targets {
        let is_its = |known: &&mut Resolver| {
            (&known.host.host, known.host.port) == (&target.host, target.port)
        };
        match resolvers.iter_mut().find(is_its) {
            Some(known) => known.sources.push(source),
            None => resolvers.push(Resolver::start(resolvers.len(), source, target, control)?),
        }
    }
    Ok(resolvers)
}

impl Resolver {
    fn start(
        number: usize,
        source: usize,
        target: Target,
        control: &Arc<Bell>,
    ) -> Result<Resolver, Problem> {
        let bell = new_bell()?;
        let (orders, received) = channel(MESSAGES_MAX, &bell);
        let (sender, answers) = channel(MESSAGES_MAX, control);
        let host = target.clone();
        let thread = std::thread::Builder::new()
            .name(format!("resolve-{number}"))
            .spawn(move || work(&target, &bell, received, sender))
            .map_err(|error| failure::thread("a thread that looks hosts up", &error))?;
        Ok(Resolver { host, sources: vec![source], orders, answers, thread: Some(thread) })
    }

    /// Whether a source is at this host.
    pub(super) fn has(&self, source: usize) -> bool {
        self.sources.contains(&source)
    }

    /// Looks the host up for a source.
    pub(super) fn ask(&mut self, source: usize) {
        // When there is no room it is about to be looked up, and will be again with the next connection that fails.
        let _ = self.orders.send(source);
    }

    /// The next answer.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.answers.receive()
    }

    /// Whether there is an answer.
    pub(super) fn has_news(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Why the thread has ended, if it has by itself. Said once.
    pub(super) fn ended(&mut self) -> Option<String> {
        executor::ended(&mut self.thread)
    }
}

fn work(target: &Target, bell: &Bell, mut orders: Receiver<usize>, mut answers: Sender<Answer>) {
    while !orders.is_abandoned() {
        let asked: BTreeSet<usize> = std::iter::from_fn(|| orders.receive()).collect();
        if asked.is_empty() {
            bell.sleep(SLEEP_MAX, || !orders.is_empty() || orders.is_abandoned());
            continue;
        }
        // Control takes answers every turn; if it has gone, nobody needs them.
        match placement::resolve(target) {
            Ok(addresses) => {
                for source in asked {
                    let addresses = addresses.clone();
                    let _ = answers.send(Answer::Resolved { source, addresses });
                }
            }
            Err(error) => {
                let problem = failure::resolve(&target.host, &error);
                let _ = answers.send(Answer::NotResolved(problem));
            }
        }
    }
}
