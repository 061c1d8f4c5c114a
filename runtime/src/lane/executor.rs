//! The thread of a core, and its cold tasks. glommio is named in this file only.
//!
//! glommio owns the thread: pinning, start and stop, and tasks that are not hot. The hot loop is one task that blocks
//! in its own ring, so it must know when the next cold task wants to run: [`Cold::sleep`] notes its deadline, and
//! [`Cold::next_deadline`] tells it.
//!
//! [`Threads`] is the second implementation: a plain thread with a single-threaded task queue of its own, for tests and
//! for hosts where a thread cannot have a glommio ring.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the hot loop is given: cold tasks, their deadlines, and the way to let them run.
pub trait Cold: 'static {
    /// Starts a task that runs when the hot loop lets it.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
    /// Sleeps, and lets the hot loop know until when.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + 'static;
    /// The earliest end of a sleep.
    fn next_deadline(&self) -> Option<Instant>;
    /// Lets cold tasks run once.
    fn run(&self) -> impl Future<Output = ()>;
}

/// Something that starts threads pinned to a core.
pub trait Executor {
    /// What its hot loops are given.
    type Cold: Cold;
    /// What a started thread leaves to wait for.
    type Thread: Join;

    /// Starts a thread named `name` on `cpu` (anywhere if `None`) and runs `hot` on it to its end.
    fn start<F>(
        &self,
        name: &str,
        cpu: Option<usize>,
        hot: impl FnOnce(Self::Cold) -> F + Send + 'static,
    ) -> io::Result<Self::Thread>
    where
        F: Future<Output = ()> + 'static;
}

/// A thread to wait for.
pub trait Join {
    /// Waits until the thread has ended; `Err` has what it panicked with.
    fn join(self) -> Result<(), String>;
}

type Deadlines = Rc<RefCell<Vec<Instant>>>;

fn note(deadlines: &Deadlines, until: Instant) {
    deadlines.borrow_mut().push(until);
}

fn forget(deadlines: &Deadlines, until: Instant) {
    let mut list = deadlines.borrow_mut();
    if let Some(at) = list.iter().position(|deadline| *deadline == until) {
        list.swap_remove(at);
    }
}

fn earliest(deadlines: &Deadlines) -> Option<Instant> {
    deadlines.borrow().iter().min().copied()
}

/// Threads owned by glommio.
pub struct Glommio;

/// Memory that glommio reserves for I/O buffers of its own. The hot path does not use them.
const IO_MEMORY_BYTES: usize = 1 << 20;
/// Depth of glommio's rings. Cold tasks only.
const RING_DEPTH: usize = 128;
/// How often glommio looks for timers while its tasks keep running.
const PREEMPT: Duration = Duration::from_millis(10);

impl Executor for Glommio {
    type Cold = GlommioCold;
    type Thread = glommio::ExecutorJoinHandle<()>;

    fn start<F>(
        &self,
        name: &str,
        cpu: Option<usize>,
        hot: impl FnOnce(GlommioCold) -> F + Send + 'static,
    ) -> io::Result<Self::Thread>
    where
        F: Future<Output = ()> + 'static,
    {
        let placement = cpu.map_or(glommio::Placement::Unbound, glommio::Placement::Fixed);
        glommio::LocalExecutorBuilder::new(placement)
            .name(name)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(RING_DEPTH)
            .preempt_timer(PREEMPT)
            .spawn(move || hot(GlommioCold { deadlines: Deadlines::default() }))
            .map_err(|error| io::Error::other(error.to_string()))
    }
}

impl Join for glommio::ExecutorJoinHandle<()> {
    fn join(self) -> Result<(), String> {
        glommio::ExecutorJoinHandle::join(self).map_err(|error| error.to_string())
    }
}

/// Cold tasks of a glommio thread.
#[derive(Clone)]
pub struct GlommioCold {
    deadlines: Deadlines,
}

impl Cold for GlommioCold {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        glommio::spawn_local(task).detach();
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + 'static {
        let deadlines = Rc::clone(&self.deadlines);
        let until = Instant::now() + time;
        note(&deadlines, until);
        async move {
            glommio::timer::sleep(time).await;
            forget(&deadlines, until);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        earliest(&self.deadlines)
    }

    async fn run(&self) {
        glommio::executor().yield_task_queue_now().await;
    }
}

/// Plain threads, pinned through `core_affinity`.
pub struct Threads;

impl Executor for Threads {
    type Cold = ThreadCold;
    type Thread = JoinHandle<()>;

    fn start<F>(
        &self,
        name: &str,
        cpu: Option<usize>,
        hot: impl FnOnce(ThreadCold) -> F + Send + 'static,
    ) -> io::Result<Self::Thread>
    where
        F: Future<Output = ()> + 'static,
    {
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            pin(cpu);
            let cold = ThreadCold::default();
            let mut hot = Box::pin(hot(cold.clone()));
            let mut context = Context::from_waker(Waker::noop());
            // The hot loop blocks in its ring itself, so polling it again is never a busy wait.
            while hot.as_mut().poll(&mut context).is_pending() {
                cold.turn();
            }
        })
    }
}

impl Join for JoinHandle<()> {
    fn join(self) -> Result<(), String> {
        JoinHandle::join(self).map_err(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without text".to_owned())
        })
    }
}

/// Why a thread has ended by itself; `None` while it has not, and when that was said before.
pub fn ended(thread: &mut Option<JoinHandle<()>>) -> Option<String> {
    let ended = thread.take_if(|thread| thread.is_finished())?;
    Some(Join::join(ended).err().unwrap_or_else(|| "it has ended".to_owned()))
}

/// Pins the calling thread, if there is a CPU to pin it to.
pub fn pin(cpu: Option<usize>) {
    if let Some(id) = cpu {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
}

/// The CPUs that no core owns: for threads that only have to be done some time.
#[derive(Clone, Debug, Default)]
pub struct Housekeeping {
    cpus: Vec<usize>,
}

impl Housekeeping {
    /// Those of `allowed` that are not in `owned`. If none is left, all: then they are shared.
    pub fn beside(allowed: &[usize], owned: impl Iterator<Item = usize>) -> Housekeeping {
        let owned: Vec<usize> = owned.collect();
        let cpus = allowed.iter().filter(|cpu| !owned.contains(cpu)).copied().collect();
        Housekeeping { cpus }
    }

    /// Keeps the calling thread on these CPUs. Best effort.
    pub fn enter(&self) {
        if self.cpus.is_empty() {
            return;
        }
        let mut set = rustix::thread::CpuSet::new();
        let known = |cpu: &&usize| **cpu < rustix::thread::CpuSet::MAX_CPU;
        self.cpus.iter().filter(known).for_each(|cpu| set.set(*cpu));
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
}

/// Lets the calling thread give way to others on a CPU that they share. Best effort.
pub fn step_back() {
    const NICE: i32 = 10;
    // On Linux a thread has a priority of its own; `None` is the calling one.
    let _ = rustix::process::setpriority_process(None, NICE);
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Cold tasks of a plain thread.
#[derive(Clone, Default)]
pub struct ThreadCold {
    deadlines: Deadlines,
    tasks: Rc<RefCell<Vec<Task>>>,
}

impl ThreadCold {
    fn turn(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        // Tasks may have started others.
        self.tasks.borrow_mut().append(&mut tasks);
    }
}

impl Cold for ThreadCold {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(Box::pin(task));
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + 'static {
        let deadlines = Rc::clone(&self.deadlines);
        let until = Instant::now() + time;
        note(&deadlines, until);
        std::future::poll_fn(move |_| {
            if Instant::now() < until {
                return Poll::Pending;
            }
            forget(&deadlines, until);
            Poll::Ready(())
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        earliest(&self.deadlines)
    }

    fn run(&self) -> impl Future<Output = ()> {
        let yielded = Cell::new(false);
        std::future::poll_fn(
            move |_| {
                if yielded.replace(true) { Poll::Ready(()) } else { Poll::Pending }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A hot loop lets a cold task sleep three times, knowing each deadline.
    fn check(executor: &impl Executor) {
        let (sender, receiver) = mpsc::channel();
        let thread = executor
            .start("lane-test", None, move |cold| async move {
                let done = Rc::new(Cell::new(0));
                let (count, sleeper) = (Rc::clone(&done), Rc::new(cold));
                let task = Rc::clone(&sleeper);
                sleeper.spawn(async move {
                    for _ in 0..3 {
                        task.sleep(Duration::from_millis(2)).await;
                        count.set(count.get() + 1);
                    }
                });
                let mut deadlines = 0;
                while done.get() < 3 {
                    deadlines += u32::from(sleeper.next_deadline().is_some());
                    sleeper.run().await;
                }
                sender
                    .send((done.get(), deadlines > 0, sleeper.next_deadline().is_none()))
                    .expect("a receiver");
            })
            .expect("a thread");
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok((3, true, true)));
        assert_eq!(thread.join(), Ok(()));
    }

    #[test]
    fn both_executors_run_cold_tasks_between_turns() {
        check(&Threads);
        check(&Glommio);
    }

    #[test]
    fn a_panic_on_a_core_is_reported_by_join() {
        let thread = Threads
            .start("lane-panic", None, |_| async { panic!("the reason") })
            .expect("a thread");
        assert_eq!(Join::join(thread), Err("the reason".to_owned()));
    }

    #[test]
    fn a_thread_that_ends_by_itself_is_noticed_once() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let mut thread = Some(std::thread::spawn(move || {
            let _ = wait.recv();
            panic!("the reason");
        }));
        assert_eq!(ended(&mut thread), None, "it goes on");
        drop(end);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let why = loop {
            if let Some(why) = ended(&mut thread) {
                break why;
            }
            assert!(std::time::Instant::now() < deadline, "not noticed");
            std::thread::yield_now();
        };
        assert_eq!((why.as_str(), ended(&mut thread)), ("the reason", None));
    }
}
