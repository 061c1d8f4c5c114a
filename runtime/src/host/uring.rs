//! Whether this process may use io_uring, found out by setting up a ring, and if not, why not.

use std::io;

use rustix::io::Errno;

use super::{Root, kernel, memlock};
use crate::diag::{Problem, reason};

/// Entries of the trial ring: as small as a ring can be without being a special case.
const TRIAL_ENTRIES: u32 = 8;

/// Tries it; `None` if io_uring works and the kernel is new enough.
pub fn check(root: &Root) -> Option<Problem> {
    match io_uring::IoUring::new(TRIAL_ENTRIES) {
        Ok(_ring) => kernel::check(root),
        Err(error) => Some(refusal(root, &error)),
    }
}

/// Says why a ring was refused. Looked at in this order: the sysctl, the kernel's release, the
/// seccomp filter, the error itself: what an administrator decided comes before what a filter does.
pub fn refusal(root: &Root, error: &io::Error) -> Problem {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let disabled = root.number("proc/sys/kernel/io_uring_disabled");
    // A filter belongs to a thread: the one that asked is the one that was refused.
    let seccomp = ["proc/thread-self/status", "proc/self/status"]
        .iter()
        .find_map(|status| root.field(status, "Seccomp"));
    let found = format!(
        "found: kernel.io_uring_disabled = {}, Seccomp: {}",
        disabled.map_or("not there".to_owned(), |value| value.to_string()),
        seccomp.as_deref().unwrap_or("not there")
    );
    if disabled == Some(2) || (disabled == Some(1) && errno == Some(Errno::PERM)) {
        return switched_off(root, disabled.unwrap_or(2));
    }
    if let Some(too_old) = kernel::check(root) {
        return too_old;
    }
    let blocked = matches!(errno, Some(Errno::PERM | Errno::ACCESS | Errno::NOSYS));
    if blocked && seccomp.as_deref() == Some("2") {
        let name = match errno {
            Some(Errno::NOSYS) => "ENOSYS",
            Some(Errno::ACCESS) => "EACCES",
            _ => "EPERM",
        };
        return Problem::error(
            "HST001",
            format!(
                "this process may not use io_uring: a seccomp filter blocks io_uring_setup ({name})"
            ),
        )
        .why(format!("{found} → the container runtime, not the kernel"))
        .fix(
            "docker run --security-opt seccomp=PROFILE.json …   \
             (a profile that allows io_uring_setup, io_uring_enter and io_uring_register)",
        )
        .fix("docker run --security-opt seccomp=unconfined …   (where the container is trusted)");
    }
    if errno == Some(Errno::NOMEM) {
        let limit = memlock::Memlock::read(root).text();
        return Problem::error("HST004", "the kernel has no locked memory left for io_uring")
            .why(format!("found: {limit} of locked memory allowed for this user"))
            .fix(memlock::WAYS_OUT);
    }
    let what = format!("io_uring cannot be used: {}", reason(error));
    Problem::error("HST001", what).why(found)
}

fn switched_off(root: &Root, disabled: i64) -> Problem {
    let what =
        format!("io_uring is switched off on this host (kernel.io_uring_disabled = {disabled})");
    let group = root.number("proc/sys/kernel/io_uring_group").unwrap_or(-1);
    Problem::error("HST002", what)
        .why(format!("1 = only for root and the group kernel.io_uring_group = {group}"))
        .fix("sudo sysctl -w kernel.io_uring_disabled=0")
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    fn refused(files: &[(&str, &str)], errno: Errno) -> String {
        let (_dir, root) = fixture(files);
        refusal(&root, &io::Error::from(errno)).to_string()
    }

    const NEW: (&str, &str) = ("proc/sys/kernel/osrelease", "6.1.0\n");
    const ON: (&str, &str) = ("proc/sys/kernel/io_uring_disabled", "0\n");
    const FILTER: (&str, &str) =
        ("proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");

    #[test]
    fn a_seccomp_filter_is_told_from_the_kernel() {
        assert_eq!(
            refused(&[NEW, ON, FILTER], Errno::PERM),
            "error[HST001]: this process may not use io_uring: a seccomp filter blocks io_uring_setup (EPERM)
  found: kernel.io_uring_disabled = 0, Seccomp: 2 → the container runtime, not the kernel
  fix: docker run --security-opt seccomp=PROFILE.json …   (a profile that allows io_uring_setup, io_uring_enter and io_uring_register)
   or: docker run --security-opt seccomp=unconfined …   (where the container is trusted)"
        );
        assert!(refused(&[NEW, ON, FILTER], Errno::NOSYS).contains("(ENOSYS)"));
    }

    #[test]
    fn the_switch_is_named_with_its_value() {
        let files = [
            NEW,
            ("proc/sys/kernel/io_uring_disabled", "2\n"),
            ("proc/sys/kernel/io_uring_group", "-1\n"),
            FILTER,
        ];
        assert_eq!(
            refused(&files, Errno::PERM),
            "error[HST002]: io_uring is switched off on this host (kernel.io_uring_disabled = 2)
  1 = only for root and the group kernel.io_uring_group = -1
  fix: sudo sysctl -w kernel.io_uring_disabled=0"
        );
        let files = [NEW, ("proc/sys/kernel/io_uring_disabled", "1\n")];
        assert!(refused(&files, Errno::PERM).contains("kernel.io_uring_disabled = 1)"));
        assert!(refused(&files, Errno::MFILE).contains("HST001"));
    }

    #[test]
    fn an_old_kernel_and_a_full_limit_are_told_apart() {
        let old = ("proc/sys/kernel/osrelease", "4.19.0\n");
        assert!(refused(&[old, FILTER], Errno::NOSYS).starts_with("error[HST003]: Linux 4.19.0"));
        assert!(refused(&[NEW, ON, FILTER], Errno::NOMEM).starts_with("error[HST004]"));
        assert_eq!(
            refused(&[NEW], Errno::MFILE),
            "error[HST001]: io_uring cannot be used: this process has too many open files (see ulimit -n)
  found: kernel.io_uring_disabled = not there, Seccomp: not there"
        );
    }

    /// Makes the calls io_uring_setup, _enter and _register fail with EPERM for this thread, for ever,
    /// as the default profile of a container runtime does.
    fn forbid_io_uring() -> io::Result<()> {
        let step = |code: u32, jt, jf, k| {
            let code = u16::try_from(code).expect("codes of BPF have 16 bits");
            libc::sock_filter { code, jt, jf, k }
        };
        let first = u32::try_from(libc::SYS_io_uring_setup).expect("a small number");
        let deny = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        let mut filter = [
            // The number of the call is the first field of `seccomp_data`.
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, first),
            step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, first + 2),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, deny),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: 5, filter: filter.as_mut_ptr() };
        // SAFETY: the call has no memory arguments.
        let refused = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0;
        if refused {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `program` points at `filter`, whose length it states; the kernel copies both
        // before the call returns.
        match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[test]
    fn a_real_filter_is_recognised() {
        let thread = std::thread::spawn(|| {
            forbid_io_uring().expect("any thread may restrict itself");
            check(&Root::system()).expect("forbidden").to_string()
        });
        let text = thread.join().expect("the thread ends");
        if Root::system().number("proc/sys/kernel/io_uring_disabled").unwrap_or(0) == 0 {
            assert!(text.contains("a seccomp filter blocks io_uring_setup (EPERM)"), "{text}");
            assert!(text.contains("Seccomp: 2"), "{text}");
        }
    }

    #[test]
    fn the_probe_agrees_with_this_host() {
        // Either it works here, or the reason is one of the four that have a text.
        if let Some(problem) = check(&Root::system()) {
            assert!(problem.code.starts_with("HST00"), "{problem}");
        }
    }
}
