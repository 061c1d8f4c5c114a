//! The node that is measured: `corelane run` as a process of its own, as a user has it.
//!
//! Its standard output goes into a pipe that is read here, its log into a file beside its data. It
//! ends with this process, whatever becomes of that.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::admin::{Port, Status};
use crate::diag::{Problem, reason};

/// The configuration in the data directory.
const CONFIG: &str = "corelane.toml";
/// The log there.
const LOG: &str = "node.log";
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an orderly end may take: sinks are drained, journals sealed.
const END_WITHIN: Duration = Duration::from_secs(120);
/// How often the end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of the log that are told when it fails.
const LINES_TOLD: usize = 5;

/// The running node.
pub(super) struct NodeProcess {
    child: Child,
    dir: PathBuf,
    status_url: String,
    agent: ureq::Agent,
    /// Counts the lines of standard output.
    reader: Option<JoinHandle<u64>>,
}

/// How it ended.
pub(super) struct NodeEnd {
    pub(super) status: ExitStatus,
    /// Signals on standard output.
    pub(super) lines: u64,
}

impl NodeProcess {
    /// Starts one in `dir`, with what `config` writes for its administration port.
    pub(super) fn start(
        dir: &Path,
        sets: &[String],
        config: impl FnOnce(SocketAddr) -> String,
    ) -> Result<NodeProcess, Problem> {
        let failed = |why: String| Problem::error("BEN007", format!("no node to measure: {why}"));
        let system = |error: std::io::Error| failed(reason(&error));
        // Another program could take it before the node does; then the node says so.
        let admin = Port::free()?.addr();
        std::fs::write(dir.join(CONFIG), config(admin)).map_err(system)?;
        let log = File::create(dir.join(LOG)).map_err(system)?;
        let mut command = Command::new(std::env::current_exe().map_err(system)?);
        command.args(["run", "-c", CONFIG]).current_dir(dir);
        sets.iter().for_each(|set| {
            command.args(["--set", set]);
        });
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CORELANE_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // A Ctrl-C at the terminal is for who measures, and ends the node when it is done.
        command.process_group(0);
        // SAFETY: between fork and exec there is one system call; nothing allocates, nothing locks.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = command.spawn().map_err(system)?;
        let out = child.stdout.take().expect("it was piped");
        let reader = std::thread::Builder::new().name("node-out".to_owned());
        let reader = reader.spawn(move || count_lines(out));
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).build();
        let mut node = NodeProcess {
            child,
            dir: dir.to_owned(),
            status_url: format!("http://{admin}/v1/status"),
            agent: config.into(),
            reader: None,
        };
        // From here on the node is ended by being dropped.
        node.reader = Some(reader.map_err(system)?);
        Ok(node)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its counters; `None` while it does not answer yet. An error if it has ended.
    pub(super) fn status(&mut self) -> Result<Option<Status>, Problem> {
        if let Some(status) = self.child.try_wait().ok().flatten() {
            return Err(self.failed(&format!("the node ended early ({status})")));
        }
        let read = self.agent.get(&self.status_url).call();
        let body = read.and_then(|mut response| response.body_mut().read_to_string());
        Ok(body.ok().and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// Asks for the end and waits for it.
    pub(super) fn end(&mut self) -> Result<NodeEnd, Problem> {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself: then its status says so.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let status = self.child.try_wait().map_err(|error| self.failed(&reason(&error)))?;
            if let Some(status) = status {
                let reader = self.reader.take().expect("it ends once");
                let lines = reader.join().expect("the reader has nothing to panic about");
                return Ok(NodeEnd { status, lines });
            }
            if Instant::now() > deadline {
                let seconds = END_WITHIN.as_secs();
                return Err(self.failed(&format!("the node did not end within {seconds} s")));
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// What went wrong, with the last it said.
    pub(super) fn failed(&self, what: &str) -> Problem {
        let log = std::fs::read_to_string(self.dir.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let problem = Problem::error("BEN007", what.to_owned());
        let last = &lines[lines.len().saturating_sub(LINES_TOLD)..];
        let problem =
            last.iter().fold(problem, |problem, line| problem.why(format!("log: {line}")));
        problem.fix(
            "`corelane check` says whether this host is fit; --addresses 10 --rate 10 is small",
        )
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // After an orderly end both say that there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count_lines(mut out: ChildStdout) -> u64 {
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    // An error is the end: the node has gone.
    while let Ok(bytes) = out.read(&mut buffer)
        && bytes > 0
    {
        lines += buffer[..bytes].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    lines
}
