//! CPU time, memory and pinning of a process, as the kernel counts them.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::host::Root;

/// What a process had used at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    /// User and system time of all its threads, those that have ended and the kernel's workers for its
    /// rings included.
    pub(super) cpu: Duration,
    /// The same by the name of a thread; those that are there.
    pub(super) threads: BTreeMap<String, Duration>,
    /// CPUs that a thread may use, by its name.
    pub(super) pinning: BTreeMap<String, String>,
}

impl Usage {
    /// Reads it. Times have the kernel's resolution, a tick.
    pub(super) fn read(root: &Root, pid: u32, ticks_per_s: u64) -> io::Result<Usage> {
        let cpu = |text: &str| {
            cpu_ticks(text).map(|ticks| Duration::from_millis(ticks * 1000 / ticks_per_s))
        };
        let own = cpu(&root.read(&format!("proc/{pid}/stat"))?);
        let own = own.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut usage = Usage { cpu: own, ..Usage::default() };
        for entry in std::fs::read_dir(root.path(&format!("proc/{pid}/task")))? {
            let task = format!("proc/{pid}/task/{}", entry?.file_name().to_string_lossy());
            // A thread may have ended since it was listed.
            let Ok(stat) = root.read(&format!("{task}/stat")) else { continue };
            let (Some(name), Some(time)) = (thread_name(&stat), cpu(&stat)) else { continue };
            *usage.threads.entry(name.to_owned()).or_default() += time;
            if let Some(cpus) = root.field(&format!("{task}/status"), "Cpus_allowed_list") {
                usage.pinning.insert(name.to_owned(), cpus);
            }
        }
        Ok(usage)
    }

    /// CPU time since `before`, as a percentage of one CPU over `time`: of the process, and of each
    /// thread that used a tenth of a percent.
    pub(super) fn since(&self, before: &Usage, time: Duration) -> CpuShare {
        let percent = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() * 100.0 / time.as_secs_f64()
        };
        let threads = self.threads.iter().map(|(name, now)| {
            let before = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), percent(*now, before))
        });
        CpuShare {
            percent: percent(self.cpu, before.cpu),
            threads: threads.filter(|(_, percent)| *percent >= 0.1).collect(),
        }
    }
}

/// CPU time, per cent of one CPU.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(super) struct CpuShare {
    pub(super) percent: f64,
    pub(super) threads: BTreeMap<String, f64>,
}

/// Memory of a process that is resident, KiB.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug, Default)]
pub(super) struct Resident {
    pub(super) now_kib: u64,
    /// Since its start.
    pub(super) peak_kib: u64,
}

impl Resident {
    /// Reads it.
    pub(super) fn read(root: &Root, pid: u32) -> io::Result<Resident> {
        let path = format!("proc/{pid}/status");
        let kib = |name: &str| {
            let text = root.field(&path, name)?;
            text.strip_suffix("kB")?.trim().parse().ok()
        };
        match (kib("VmRSS"), kib("VmHWM")) {
            (Some(now_kib), Some(peak_kib)) => Ok(Resident { now_kib, peak_kib }),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }
}

/// What stands between the parentheses: a name may hold blanks and parentheses itself. The kernel's
/// workers for rings come and go, each under the number of its thread; they are one name here.
fn thread_name(stat: &str) -> Option<&str> {
    let (before, _) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some(if name.starts_with("iou-wrk") { "iou-wrk" } else { name })
}

/// Fields 14 and 15 of `/proc/PID/stat`: user and system time.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fixture;

    const STAT: &str = "7 (shard-0) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 99 1 1\n";

    #[test]
    fn cpu_time_is_that_of_the_process_and_of_each_thread() {
        let (_dir, root) = fixture(&[
            ("proc/7/stat", "7 (a (b) c) S 1 7 7 0 -1 4 100 0 0 0 300 100 0 0 20 0 3 0 99 1\n"),
            ("proc/7/task/7/stat", STAT),
            ("proc/7/task/7/status", "Name:\tshard-0\nCpus_allowed_list:\t1\n"),
            ("proc/7/task/8/stat", &STAT.replace("7 (shard-0)", "8 (iou-wrk-7)")),
            ("proc/7/task/9/stat", &STAT.replace("7 (shard-0)", "9 (iou-wrk-12)")),
        ]);
        let usage = Usage::read(&root, 7, 100).expect("read");
        assert_eq!(usage.cpu, Duration::from_secs(4));
        assert_eq!(usage.threads["shard-0"], Duration::from_secs(3));
        assert_eq!(usage.threads["iou-wrk"], Duration::from_secs(6), "of all with that name");
        assert_eq!(usage.pinning.into_iter().collect::<Vec<_>>(), [("shard-0".into(), "1".into())]);
        assert_eq!(thread_name("7 (a (b) c) S"), Some("a (b) c"));
        assert!(Usage::read(&root, 8, 100).is_err());
    }

    #[test]
    fn shares_are_of_one_cpu() {
        let second = Duration::from_secs(1);
        let usage = |cpu: u32, shard: u32| Usage {
            cpu: second * cpu,
            threads: [("shard-0".to_owned(), second * shard), ("idle".to_owned(), second)].into(),
            ..Usage::default()
        };
        let share = usage(7, 4).since(&usage(1, 1), second * 4);
        assert_eq!(share.percent, 150.0);
        assert_eq!(share.threads.into_iter().collect::<Vec<_>>(), [("shard-0".to_owned(), 75.0)]);
    }

    #[test]
    fn memory_is_what_is_resident() {
        let (_dir, root) =
            fixture(&[("proc/7/status", "VmPeak:\t9 kB\nVmHWM:\t  5120 kB\nVmRSS:\t  4096 kB\n")]);
        let resident = Resident::read(&root, 7).expect("read");
        assert_eq!(resident, Resident { now_kib: 4096, peak_kib: 5120 });
        assert!(Resident::read(&root, 8).is_err());
    }
}
