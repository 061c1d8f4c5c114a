//! The binary as a child process: what it says line by line, its signals, its end. It is killed when this is dropped.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Longer than anything here takes on a machine with other work to do.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `corelane`.
pub struct Program {
    name: String,
    child: Child,
    process: OwnedFd,
    /// Standard output; ended from the start when the test reads it by itself.
    pub out: Lines,
    /// Standard error.
    pub err: Lines,
}

impl Program {
    /// Starts `corelane ARGS`.
    #[track_caller]
    pub fn start(args: &[&str]) -> Program {
        Program::spawn(args, true)
    }

    /// Starts `corelane ARGS` and leaves its standard output to the test: see [`Program::take_out`].
    #[track_caller]
    pub fn start_unread(args: &[&str]) -> Program {
        Program::spawn(args, false)
    }

    #[track_caller]
    fn spawn(args: &[&str], reads: bool) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What whoever runs the tests has set is not for the program under test.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CORELANE_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().expect("the binary was built with the tests");
        let process = handle(child.id());
        let out = match reads {
            true => Lines::read(child.stdout.take().expect("it was piped")),
            false => Lines::default(),
        };
        let err = Lines::read(child.stderr.take().expect("it was piped"));
        Program { name: format!("corelane {}", args.join(" ")), child, process, out, err }
    }

    /// Its standard output, for the test to read.
    pub fn take_out(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("it was started unread, and this is the first time")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Handles of the processes that it has started and that live.
    pub fn children(&self) -> Vec<Orphan> {
        let parent = self.pid().to_string();
        let processes = std::fs::read_dir("/proc").expect("procfs");
        let pids = processes.flatten().filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // pid (name) state parent; a name may hold anything, parentheses too.
            let mut after_name = stat.rsplit(')').next()?.split_whitespace();
            (after_name.nth(1)? == parent).then(|| entry.file_name().to_str()?.parse().ok())?
        });
        pids.map(|pid: u32| Orphan { process: handle(pid) }).collect()
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process that was not waited for can be killed");
        self.wait();
    }

    /// Asks for an orderly end.
    pub fn terminate(&self) {
        pidfd_send_signal(&self.process, Signal::TERM).expect("it runs");
    }

    /// Asks it to read its configuration and lists again.
    pub fn hang_up(&self) {
        pidfd_send_signal(&self.process, Signal::HUP).expect("it runs");
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        assert!(
            ended_within(&self.process, PATIENCE),
            "{} goes on: {}",
            self.name,
            self.err.tail()
        );
        self.child.wait().expect("it has ended")
    }

    /// Waits for the end with this exit code; what it said on standard error.
    #[track_caller]
    pub fn ends_with(&mut self, code: i32) -> String {
        let status = self.wait();
        let err = self.err.to_end();
        assert_eq!(status.code(), Some(code), "{}: {status}\n{err}", self.name);
        err
    }

    /// Asks for an orderly end and waits for exit code 0; what it said on standard error.
    #[track_caller]
    pub fn ends_well(&mut self) -> String {
        self.terminate();
        self.ends_with(0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended, or it ends now: both are wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{} said at last:\n{}", self.name, self.err.tail());
        }
    }
}

/// A process that outlives the one that started it. It is killed when this is dropped.
pub struct Orphan {
    process: OwnedFd,
}

impl Drop for Orphan {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

/// A handle that means this process and never a later one with the same number.
fn handle(pid: u32) -> OwnedFd {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    pidfd_open(pid, PidfdFlags::empty()).expect("a process that was not waited for")
}

fn ended_within(process: &OwnedFd, patience: Duration) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let patience = Timespec::try_from(patience).expect("seconds");
    poll(&mut fds, Some(&patience)).expect("a process handle can be polled") > 0
}

#[derive(Default)]
struct Stream {
    lines: Vec<String>,
    ended: bool,
}

/// What a stream has brought: whole lines. What a killed process wrote of its last line does not count.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Stream>, Condvar)>);

impl Lines {
    fn read(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let shared = lines.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
                if bytes.pop() == Some(b'\n') {
                    let line = String::from_utf8_lossy(&bytes).into_owned();
                    shared.lock().lines.push(line);
                    shared.0.1.notify_all();
                }
                bytes.clear();
            }
            shared.lock().ended = true;
            shared.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.0.lock().expect("nobody panics with the lock")
    }

    /// Gives `found` each line from `cursor` on, once, until it says yes; the cursor then stands behind that line.
    #[track_caller]
    pub fn wait(&self, cursor: &mut usize, what: &str, found: impl FnMut(&str) -> bool) {
        if let Err(why) = self.try_wait(cursor, found) {
            panic!("no {what}: {why}");
        }
    }

    /// The same; the error says why it was in vain.
    #[track_caller]
    pub fn try_wait(
        &self,
        cursor: &mut usize,
        mut found: impl FnMut(&str) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = self.lock();
        loop {
            while *cursor < stream.lines.len() {
                *cursor += 1;
                // Cloned, so that a panic in `found` leaves the lock whole.
                let line = stream.lines[*cursor - 1].clone();
                drop(stream);
                if found(&line) {
                    return Ok(());
                }
                stream = self.lock();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if stream.ended || left.is_zero() {
                let why = if stream.ended { "it ended" } else { "time is over" };
                return Err(format!("{why}; last lines:\n{}", tail_of(&stream)));
            }
            stream = self.0.1.wait_timeout(stream, left).expect("nobody panics with the lock").0;
        }
    }

    /// Lines so far.
    pub fn count(&self) -> usize {
        self.lock().lines.len()
    }

    /// Waits for a line that holds `text`, and gives it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let mut wanted = String::new();
        self.wait(&mut 0, text, |line| {
            wanted = line.to_owned();
            line.contains(text)
        });
        wanted
    }

    /// Everything until the end of the stream.
    #[track_caller]
    pub fn to_end(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = self.lock();
        while !stream.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the stream goes on: {}", tail_of(&stream));
            stream = self.0.1.wait_timeout(stream, left).expect("nobody panics with the lock").0;
        }
        stream.lines.join("\n")
    }

    fn tail(&self) -> String {
        tail_of(&self.lock())
    }
}

fn tail_of(stream: &Stream) -> String {
    stream.lines[stream.lines.len().saturating_sub(20)..].join("\n")
}
