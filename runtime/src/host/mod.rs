//! What this host can do, looked up before anything depends on it.
//!
//! Each probe is split in two: reading (from a [`Root`], so that a test can stand in for `/proc`
//! and `/sys`) and judging, a pure function from readings to a [`crate::diag::Problem`]. A probe
//! says what it found, never what it guesses. Nothing here changes the host; [`memlock::raise`] and
//! [`dirs::prepare`] change this process and the named directory, and say so.

pub mod cpus;
pub mod dirs;
pub mod kernel;
pub mod memlock;
pub(crate) mod pages;
pub mod ports;
pub mod uring;

use std::io;
use std::path::PathBuf;

use crate::config::units::approximate_size;
use crate::diag::Problems;

/// The directory under which `/proc`, `/sys` and `/etc` are read.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The running system.
    pub fn system() -> Root {
        Root(PathBuf::from("/"))
    }

    /// A copy of parts of one, for tests.
    pub fn at(path: impl Into<PathBuf>) -> Root {
        Root(path.into())
    }

    /// The path of a file, given without its leading slash.
    pub fn path(&self, relative: &str) -> PathBuf {
        debug_assert!(!relative.starts_with('/'), "join would leave the root");
        self.0.join(relative)
    }

    /// The text of a file.
    pub fn read(&self, relative: &str) -> io::Result<String> {
        std::fs::read(self.path(relative)).map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    /// The value behind `name:` in a file of `name: value` lines.
    pub fn field(&self, relative: &str, name: &str) -> Option<String> {
        let text = self.read(relative).ok()?;
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number(&self, relative: &str) -> Option<i64> {
        self.read(relative).ok()?.trim().parse().ok()
    }
}

/// Everything that the core loop needs of the host, for so many executors.
///
/// Raises the soft limit of locked memory first where the hard limit allows that.
pub fn check(root: &Root, executors: u32) -> Problems {
    let mut problems = Problems::new();
    problems.extend(uring::check(root));
    problems.extend(memlock::raise(root, executors).err());
    problems
}

/// One line about the host, as the banner of `demo` and `run` shows it.
pub fn describe(root: &Root, executors: u32) -> String {
    let cpus = cpus::CpuMap::read(root).allowed.len();
    let facts = Facts {
        cpus,
        memory_bytes: memory_bytes(root),
        release: kernel::release(root),
        machine: machine(root),
        io_uring: uring::check(root).is_none(),
        memlock: memlock::Memlock::read(root),
        executors,
    };
    facts.line()
}

/// What the line about the host is made of.
struct Facts {
    cpus: usize,
    memory_bytes: Option<u64>,
    release: Option<kernel::Release>,
    machine: &'static str,
    io_uring: bool,
    memlock: memlock::Memlock,
    executors: u32,
}

impl Facts {
    fn line(&self) -> String {
        let mut parts = vec![match self.cpus {
            1 => "1 CPU".to_owned(),
            n => format!("{n} CPUs"),
        }];
        parts.extend(self.memory_bytes.map(approximate_size));
        parts.extend(self.release.map(|r| format!("Linux {}.{}", r.major, r.minor)));
        if !self.machine.is_empty() {
            parts.push(self.machine.to_owned());
        }
        let ok = |good: bool| if good { "ok" } else { "NOT ok" };
        format!(
            "{} · io_uring {} · memlock {} {}",
            parts.join(", "),
            ok(self.io_uring),
            self.memlock.text(),
            ok(self.memlock.suffices(self.executors))
        )
    }
}

/// `MemTotal`, in bytes.
fn memory_bytes(root: &Root) -> Option<u64> {
    let text = root.field("proc/meminfo", "MemTotal")?;
    let kib: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What kind of machine it is, as far as it says; empty for bare metal.
pub(crate) fn machine(root: &Root) -> &'static str {
    let dmi = |name: &str| root.read(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let maker = dmi("sys_vendor") + &dmi("product_name") + &dmi("bios_vendor");
    let known = [
        ("Firecracker", "Firecracker guest"),
        ("VMware", "VMware guest"),
        ("VirtualBox", "VirtualBox guest"),
        ("Microsoft Corporation", "Hyper-V guest"),
        ("Xen", "Xen guest"),
        ("KVM", "KVM guest"),
        ("QEMU", "KVM guest"),
        ("Google Compute Engine", "KVM guest"),
    ];
    let hypervisor = root
        .field("proc/cpuinfo", "flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    if !hypervisor {
        return "";
    }
    known.iter().find(|(word, _)| maker.contains(word)).map_or("virtual machine", |(_, name)| name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A root with these files.
    pub(crate) fn fixture(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("directories");
            std::fs::write(path, text).expect("a file");
        }
        let root = Root::at(dir.path());
        (dir, root)
    }

    #[test]
    fn the_line_says_what_there_is() {
        let (_dir, root) = fixture(&[
            ("proc/meminfo", "MemTotal:       24680000 kB\nMemFree: 1 kB\n"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse hypervisor\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ("proc/sys/kernel/osrelease", "6.18.0-1-cloud\n"),
        ]);
        let mut facts = Facts {
            cpus: 2,
            memory_bytes: memory_bytes(&root),
            release: kernel::release(&root),
            machine: machine(&root),
            io_uring: true,
            memlock: memlock::Memlock { soft: Some(8 << 20), hard: Some(8 << 20), locked: 0 },
            executors: 2,
        };
        assert_eq!(
            facts.line(),
            "2 CPUs, 23 GiB, Linux 6.18, KVM guest · io_uring ok · memlock 8 MiB ok"
        );
        facts.cpus = 1;
        facts.executors = 17;
        facts.io_uring = false;
        facts.machine = "";
        assert_eq!(
            facts.line(),
            "1 CPU, 23 GiB, Linux 6.18 · io_uring NOT ok · memlock 8 MiB NOT ok"
        );
    }

    #[test]
    fn bare_metal_has_no_machine_and_an_unknown_hypervisor_is_a_virtual_machine() {
        let (_dir, root) = fixture(&[
            ("proc/cpuinfo", "flags\t: fpu sse\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ]);
        assert_eq!(machine(&root), "");
        let (_dir, root) = fixture(&[("proc/cpuinfo", "flags : hypervisor\n")]);
        assert_eq!(machine(&root), "virtual machine");
        assert_eq!(memory_bytes(&root), None);
    }

    #[test]
    fn what_is_wrong_with_a_host_makes_it_unavailable() {
        // One executor for each CPU that Linux can have: more locked memory than most limits allow.
        let problems = check(&Root::system(), 8192);
        for problem in problems.iter() {
            assert_eq!(problem.exit(), crate::diag::Exit::Unavailable, "{problem}");
        }
        let hard = memlock::Memlock::read(&Root::system()).hard;
        let lacking = hard.is_some_and(|hard| hard < 8192 * memlock::PER_EXECUTOR_BYTES);
        assert_eq!(lacking, problems.iter().any(|problem| problem.code == "HST004"));
    }

    #[test]
    fn this_host_describes_itself() {
        let line = describe(&Root::system(), 1);
        assert!(
            line.contains("CPU") && line.contains("Linux ") && line.contains("memlock"),
            "{line}"
        );
    }
}
