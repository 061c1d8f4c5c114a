//! Memory that may be locked (RLIMIT_MEMLOCK), of which glommio wants 512 KiB per executor.
//!
//! glommio refuses to start below that even for root, so privileges do not count here.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Root;
use crate::config::units::approximate_size;
use crate::diag::{Problem, reason};

/// What one executor needs, in bytes.
pub const PER_EXECUTOR_BYTES: u64 = 512 * 1024;

/// How to raise the limit, by the way the process is started.
pub(super) const WAYS_OUT: &str = "shell: ulimit -l unlimited · systemd: LimitMEMLOCK=infinity · \
     docker: --ulimit memlock=-1 · login: /etc/security/limits.conf";

/// The limit of this process, in bytes; `None` is unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memlock {
    /// The limit in force.
    pub soft: Option<u64>,
    /// How far this process may raise it.
    pub hard: Option<u64>,
    /// What this process has locked and pinned already.
    pub locked: u64,
}

impl Memlock {
    /// Reads it.
    pub fn read(root: &Root) -> Memlock {
        let Rlimit { current, maximum } = getrlimit(Resource::Memlock);
        let kib = |name| {
            let text = root.field("proc/self/status", name)?;
            text.strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        let locked = kib("VmLck").unwrap_or(0) + kib("VmPin").unwrap_or(0);
        Memlock { soft: current, hard: maximum, locked: locked.saturating_mul(1024) }
    }

    /// The limit in force, for people.
    pub fn text(&self) -> String {
        self.soft.map_or("unlimited".to_owned(), approximate_size)
    }

    /// True if so many executors can start.
    pub fn suffices(&self, executors: u32) -> bool {
        self.soft.is_none_or(|soft| soft >= self.needed(executors))
    }

    /// Bytes that must be allowed for so many executors, with what is locked already.
    fn needed(&self, executors: u32) -> u64 {
        self.locked.saturating_add(PER_EXECUTOR_BYTES * u64::from(executors))
    }

    /// The problem with a limit that is too low.
    pub fn check(&self, executors: u32) -> Option<Problem> {
        if self.suffices(executors) {
            return None;
        }
        let cores =
            if executors == 1 { "1 core needs" } else { &format!("{executors} cores need") };
        let needed = approximate_size(PER_EXECUTOR_BYTES * u64::from(executors));
        let what = format!("locked memory: {} allowed, {cores} {needed}", self.text());
        let mut problem = Problem::error("HST004", what);
        if self.locked > 0 {
            let locked = approximate_size(self.locked);
            problem =
                problem.why(format!("found: {locked} of it are in use by this process already"));
        }
        Some(problem.fix(WAYS_OUT))
    }
}

/// Raises the limit in force as far as so many executors need and the hard limit allows, and judges
/// what came of it.
pub fn raise(root: &Root, executors: u32) -> Result<Memlock, Problem> {
    let before = Memlock::read(root);
    if before.suffices(executors) {
        return Ok(before);
    }
    let wanted = before.needed(executors);
    let wanted = before.hard.map_or(wanted, |hard| wanted.min(hard));
    let limit = Rlimit { current: Some(wanted), maximum: before.hard };
    let refused = setrlimit(Resource::Memlock, limit).err();
    let after = Memlock::read(root);
    match (after.check(executors), refused) {
        (None, _) => Ok(after),
        (Some(problem), None) => Err(problem),
        (Some(problem), Some(errno)) => {
            let why = reason(&errno.into());
            Err(problem.why(format!("found: the limit could not be raised: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    fn limit(soft: Option<u64>, locked: u64) -> Memlock {
        Memlock { soft, hard: soft, locked }
    }

    #[test]
    fn too_little_is_refused_with_the_way_out_for_each_start() {
        assert_eq!(
            limit(Some(65_536), 0).check(2).expect("too little").to_string(),
            "error[HST004]: locked memory: 64 KiB allowed, 2 cores need 1 MiB
  fix: shell: ulimit -l unlimited · systemd: LimitMEMLOCK=infinity · docker: --ulimit memlock=-1 · login: /etc/security/limits.conf"
        );
        let used = limit(Some(PER_EXECUTOR_BYTES), 4096).check(1).expect("too little").to_string();
        assert!(used.contains("512 KiB allowed, 1 core needs 512 KiB"), "{used}");
        assert!(used.contains("found: 4 KiB of it are in use by this process already"), "{used}");
    }

    #[test]
    fn enough_is_enough() {
        assert_eq!(limit(Some(8 << 20), 0).check(16), None);
        assert!(limit(Some(8 << 20), 0).check(17).is_some());
        assert_eq!(limit(None, 1 << 40).check(256), None);
        assert_eq!(limit(None, 0).text(), "unlimited");
    }

    #[test]
    fn what_is_locked_already_is_counted() {
        let status = "VmPeak:\t 9 kB\nVmLck:\t      12 kB\nVmPin:\t       4 kB\n";
        let (_dir, root) = fixture(&[("proc/self/status", status)]);
        assert_eq!(Memlock::read(&root).locked, 16 * 1024);
    }

    #[test]
    fn what_is_there_needs_no_raise() {
        let (_dir, root) = fixture(&[]);
        let now = Memlock::read(&root);
        assert_eq!(raise(&root, 0), Ok(now));
        let hard = now.hard.unwrap_or(u64::MAX);
        let beyond = u32::try_from(hard / PER_EXECUTOR_BYTES + 1);
        if let (Ok(beyond), Some(_)) = (beyond, now.hard) {
            // Without the privilege to lift the hard limit this must be a problem, not a panic.
            let outcome = raise(&root, beyond);
            assert_eq!(outcome.map_err(|problem| problem.code).err(), Some("HST004"));
        }
    }
}
