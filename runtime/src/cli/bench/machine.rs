//! The machine that is measured on, and what makes it unfit for that.
//!
//! Only what was read is said. A figure from a machine that others use, or that changes its speed,
//! is printed all the same, with the word UNTUNED and the reasons beside it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::cli::show::COMMIT;
use crate::config::lists::{format_cpu_list, parse_cpu_list};
use crate::host::{self, Root, cpus::CpuMap};

/// The share of time that a hypervisor may take away before it is said, per cent.
const STEAL_PERCENT_MAX: f64 = 0.5;

/// What was found.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(super) struct Machine {
    pub(super) cpu: String,
    /// CPUs that this process may use.
    pub(super) cpus: String,
    /// CPUs that the scheduler leaves alone; empty if none.
    pub(super) isolated: String,
    pub(super) kernel: String,
    /// Empty for bare metal.
    pub(super) hypervisor: String,
    /// `none` where the kernel does not steer the frequency.
    pub(super) governor: String,
    pub(super) huge_pages: String,
    /// Runnable threads over the last minute.
    pub(super) load: f64,
    pub(super) commit: String,
    /// False for a build without optimisation.
    pub(super) optimised: bool,
    pub(super) disk: Disk,
    /// The thread that measures is pinned to it.
    pub(super) pinned: Option<usize>,
}

/// The file system and the device under a directory.
#[derive(Clone, PartialEq, Serialize, Debug, Default)]
pub(super) struct Disk {
    pub(super) file_system: String,
    pub(super) device: String,
    /// The device's words on its cache, its forced unit access and its scheduler.
    pub(super) queue: String,
    /// Whether files can be written around the page cache. Known once one was.
    pub(super) direct: Option<bool>,
}

impl Disk {
    /// What `dir` is on.
    pub(super) fn of(root: &Root, dir: &Path) -> Disk {
        let mounts = root.read("proc/self/mountinfo").unwrap_or_default();
        let (file_system, device) = mount_of(&mounts, dir).unwrap_or_default();
        let number = std::fs::metadata(dir).map(|meta| meta.dev()).unwrap_or_default();
        Disk { file_system, device, queue: queue(root, number), direct: None }
    }

    /// Whether it is memory: what is written there is gone with the power, flushed or not.
    pub(super) fn is_memory(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs" | "devtmpfs" | "hugetlbfs")
    }
}

impl Machine {
    /// Reads it.
    pub(super) fn read(root: &Root, dir: &Path, pinned: Option<usize>) -> Machine {
        let map = CpuMap::read(root);
        let line = |path: &str| root.read(path).unwrap_or_default().trim().to_owned();
        let load = line("proc/loadavg");
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        let governor = line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        Machine {
            cpu: root.field("proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cpus: format!("{} of {}", format_cpu_list(&map.allowed), map.present.len()),
            isolated: line("sys/devices/system/cpu/isolated"),
            kernel: line("proc/sys/kernel/osrelease"),
            hypervisor: host::machine(root).to_owned(),
            governor: if governor.is_empty() { "none".to_owned() } else { governor },
            huge_pages: chosen(&line("sys/kernel/mm/transparent_hugepage/enabled")),
            load: load.unwrap_or(f64::NAN),
            commit: COMMIT.to_owned(),
            optimised: !cfg!(debug_assertions),
            disk: Disk::of(root, dir),
            pinned,
        }
    }

    /// Why its figures are not those of a tuned machine; empty if they are.
    pub(super) fn untuned(&self) -> Vec<String> {
        let mut why = Vec::new();
        if !self.optimised {
            why.push("this build is not optimised".to_owned());
        }
        if !self.hypervisor.is_empty() {
            why.push(format!("{}: others may use its CPUs and its disk", self.hypervisor));
        }
        if !matches!(self.governor.as_str(), "performance" | "none") {
            why.push(format!("the CPU governor is {}", self.governor));
        }
        let isolated = parse_cpu_list(&self.isolated).unwrap_or_default();
        match self.pinned {
            None => why.push("what is measured is not pinned to a CPU".to_owned()),
            Some(cpu) if !isolated.contains(&cpu) => {
                why.push(format!("CPU {cpu} is not isolated (isolcpus)"));
            }
            Some(_) => {}
        }
        if self.load > 1.0 {
            why.push(format!("load average {:.2} before the start", self.load));
        }
        if self.disk.direct == Some(false) {
            why.push(format!("{} has no O_DIRECT", self.disk.file_system));
        }
        why
    }

    /// The lines of the header.
    pub(super) fn text(&self) -> String {
        let or = |text: &str, other: &str| {
            if text.is_empty() { other.to_owned() } else { text.to_owned() }
        };
        let direct = match self.disk.direct {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        format!(
            "cpu        {} · CPU {} · isolated {} · governor {} · huge pages {}\n\
             system     Linux {} · {} · load {:.2}\n\
             disk       {} on {} · O_DIRECT {direct} · {}\n\
             commit     {}\n",
            self.cpu,
            self.cpus,
            or(&self.isolated, "none"),
            self.governor,
            self.huge_pages,
            self.kernel,
            or(&self.hypervisor, "bare metal"),
            self.load,
            or(&self.disk.file_system, "unknown file system"),
            or(&self.disk.device, "unknown device"),
            or(&self.disk.queue, "no queue to be read"),
            self.commit,
        )
    }
}

/// The time that the CPUs have been there, and that the hypervisor took of it, in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Steal {
    total: u64,
    stolen: u64,
}

impl Steal {
    /// Reads it.
    pub(super) fn read(root: &Root) -> Steal {
        let text = root.read("proc/stat").unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        // Guest time is part of user time already: the first eight are all there is.
        Steal { total: ticks.iter().take(8).sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    /// What makes the time since `before` unfit, if something does.
    pub(super) fn since(self, before: Steal) -> Option<String> {
        let total = self.total.saturating_sub(before.total);
        let stolen = self.stolen.saturating_sub(before.stolen);
        let percent = stolen as f64 * 100.0 / total.max(1) as f64;
        (percent > STEAL_PERCENT_MAX)
            .then(|| format!("the hypervisor took {percent:.1} % of the CPUs meanwhile"))
    }
}

/// `a` of `x [a] y`.
fn chosen(text: &str) -> String {
    let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(word, _)| word).to_owned()
}

/// File system and device of the mount that `dir` is in: the longest mount point above it, and of
/// several on one point the last, which covers the others.
fn mount_of(mounts: &str, dir: &Path) -> Option<(String, String)> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let fits = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        // The kernel writes a blank in a name as \040.
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        let mut words = after.split(' ');
        let found = (words.next()?.to_owned(), words.next()?.to_owned());
        dir.starts_with(&point).then_some((point.len(), found))
    };
    mounts.lines().filter_map(fits).max_by_key(|(length, _)| *length).map(|(_, found)| found)
}

/// What the kernel says of the device's queue. Of a partition, its disk's.
fn queue(root: &Root, number: u64) -> String {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let device = format!("sys/dev/block/{major}:{minor}");
    let read = |name: &str| {
        let own = root.read(&format!("{device}/queue/{name}"));
        let text = own.or_else(|_| root.read(&format!("{device}/../queue/{name}"))).ok()?;
        Some(text.trim().to_owned())
    };
    let words = [
        read("write_cache").map(|cache| format!("cache {cache}")),
        read("fua").map(|fua| format!("FUA {}", if fua == "1" { "yes" } else { "no" })),
        read("scheduler").map(|scheduler| format!("scheduler {}", chosen(&scheduler))),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fixture;

    const MOUNTS: &str = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        30 22 0:25 / /dev/shm rw shared:3 - tmpfs tmpfs rw\n\
        31 22 8:1 / /var/lib/my\\040data rw - xfs /dev/sda1 rw\n";

    #[test]
    fn the_longest_mount_point_above_is_the_one() {
        for (dir, found) in [
            ("/no/such/place", ("ext4", "/dev/vda")),
            ("/dev/shm", ("tmpfs", "tmpfs")),
            ("/dev/shmx", ("ext4", "/dev/vda")),
            ("/var/lib/my data/x", ("xfs", "/dev/sda1")),
        ] {
            let mount = mount_of(MOUNTS, Path::new(dir)).expect("the root is mounted");
            assert_eq!((mount.0.as_str(), mount.1.as_str()), found, "{dir}");
        }
        assert_eq!(mount_of("nonsense\n", Path::new("/")), None);
    }

    fn fit() -> Machine {
        let (_dir, root) = fixture(&[
            ("proc/cpuinfo", "model name\t: A CPU\nflags\t: fpu\n"),
            ("proc/loadavg", "0.10 0.20 0.30 1/100 7\n"),
            ("proc/sys/kernel/osrelease", "6.18.0\n"),
            ("proc/self/mountinfo", MOUNTS),
            ("sys/devices/system/cpu/isolated", "2-3\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ]);
        Machine { optimised: true, ..Machine::read(&root, Path::new("/"), Some(2)) }
    }

    #[test]
    fn a_tuned_machine_has_no_reasons_and_each_fault_is_one() {
        let fit = fit();
        assert_eq!(fit.untuned(), Vec::<String>::new(), "{fit:?}");
        assert!(fit.text().contains("A CPU") && fit.text().contains("huge pages madvise"));
        assert!(fit.text().contains("ext4 on /dev/vda · O_DIRECT unknown"), "{}", fit.text());
        type Change = fn(&mut Machine);
        let faults: [(Change, &str); 7] = [
            (|m| m.optimised = false, "not optimised"),
            (|m| m.hypervisor = "KVM guest".to_owned(), "KVM guest"),
            (|m| m.governor = "powersave".to_owned(), "powersave"),
            (|m| m.pinned = None, "not pinned"),
            (|m| m.pinned = Some(1), "CPU 1 is not isolated"),
            (|m| m.load = 2.5, "load average 2.50"),
            (|m| m.disk.direct = Some(false), "no O_DIRECT"),
        ];
        for (change, said) in faults {
            let mut machine = fit.clone();
            change(&mut machine);
            let why = machine.untuned();
            assert!(why.len() == 1 && why[0].contains(said), "{why:?}");
        }
    }

    #[test]
    fn time_that_was_taken_away_is_said() {
        let before = Steal { total: 1000, stolen: 10 };
        assert_eq!(Steal { total: 2000, stolen: 15 }.since(before), None);
        let said = Steal { total: 2000, stolen: 60 }.since(before).expect("5 %");
        assert!(said.contains("5.0 %"), "{said}");
        let (_dir, root) = fixture(&[("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1\n")]);
        assert_eq!(Steal::read(&root), Steal { total: 36, stolen: 8 });
    }

    #[test]
    fn memory_is_no_disk() {
        let disk =
            |file_system: &str| Disk { file_system: file_system.to_owned(), ..Disk::default() };
        assert!(disk("tmpfs").is_memory() && !disk("ext4").is_memory());
    }
}
