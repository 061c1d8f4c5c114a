//! Which CPUs there are, which of them this process may use, and whether a configuration fits them.

use rustix::thread::{CpuSet, sched_getaffinity};

use super::Root;
use crate::config::lists::{format_cpu_list, parse_cpu_list};
use crate::config::{Cpus, Node, Profile, Shards};
use crate::diag::{Problem, Problems, Severity};

/// The CPUs of this host as this process sees them, each list ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpuMap {
    /// Those that the host has.
    pub present: Vec<usize>,
    /// Those that are switched on.
    pub online: Vec<usize>,
    /// Those that this process may use.
    pub allowed: Vec<usize>,
    /// Hardware threads that share a core, each group with at least two.
    pub siblings: Vec<Vec<usize>>,
}

impl CpuMap {
    /// Reads it, with the affinity of the calling thread.
    pub fn read(root: &Root) -> CpuMap {
        let allowed = match sched_getaffinity(None) {
            Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
            // Only a host with more CPUs than the set holds refuses; then all that are online
            // count.
            Err(_) => list(root, "online"),
        };
        CpuMap::read_with(root, allowed)
    }

    /// Reads it, with these CPUs allowed.
    pub fn read_with(root: &Root, allowed: Vec<usize>) -> CpuMap {
        let or_allowed = |cpus: Vec<usize>| if cpus.is_empty() { allowed.clone() } else { cpus };
        let online = or_allowed(list(root, "online"));
        let present = or_allowed(list(root, "present"));
        let mut siblings: Vec<Vec<usize>> = online
            .iter()
            .map(|cpu| list(root, &format!("cpu{cpu}/topology/thread_siblings_list")))
            .filter(|group| group.len() > 1)
            .collect();
        siblings.sort();
        siblings.dedup();
        CpuMap { present, online, allowed, siblings }
    }

    /// Shards for `shards = "auto"`: one per allowed CPU, but one for everything else.
    pub fn auto_shards(&self) -> u16 {
        u16::try_from(self.allowed.len().saturating_sub(1).clamp(1, 256)).expect("at most 256")
    }

    /// Everything in `[node]` that does not fit these CPUs.
    pub fn check(&self, node: &Node) -> Problems {
        let mut problems = Problems::new();
        let listed: &[usize] = match &node.cpus {
            Cpus::Auto => &[],
            Cpus::List(cpus) => cpus,
        };
        for (key, cpu) in listed
            .iter()
            .map(|cpu| ("node.cpus", *cpu))
            .chain(node.publisher_cpu.map(|cpu| ("node.publisher_cpu", cpu)))
        {
            problems.extend(self.unusable(key, cpu));
        }
        let mut used = listed.to_vec();
        used.extend(node.publisher_cpu.filter(|cpu| !listed.contains(cpu)));
        problems.extend(self.sharing(&used));
        problems.extend(self.too_many(node));
        problems
    }

    fn unusable(&self, key: &str, cpu: usize) -> Option<Problem> {
        let (code, what, why) = if !self.present.contains(&cpu) {
            let has = format_cpu_list(&self.present);
            ("TOP002", "does not exist", format!("found: the host has CPU {has}"))
        } else if !self.online.contains(&cpu) {
            let why = format!("found: /sys/devices/system/cpu/cpu{cpu}/online is 0");
            ("TOP003", "is switched off", why)
        } else if !self.allowed.contains(&cpu) {
            let may = format_cpu_list(&self.allowed);
            ("TOP004", "may not be used by this process", format!("found: it may use CPU {may}"))
        } else {
            return None;
        };
        let problem = Problem::error(code, format!("{key}: CPU {cpu} {what}")).why(why);
        Some(problem.fix(format!("choose from {}", format_cpu_list(&self.allowed))))
    }

    fn sharing(&self, used: &[usize]) -> Vec<Problem> {
        let shared = |group: &Vec<usize>| {
            let both: Vec<usize> = group.iter().copied().filter(|c| used.contains(c)).collect();
            (both.len() > 1).then(|| {
                let cpus = format_cpu_list(&both);
                Problem::warning("TOP005", format!("CPU {cpus} are threads of one physical core"))
                    .why("found: the same /sys/devices/system/cpu/cpuN/topology/thread_siblings_list")
                    .fix("use one CPU of each core")
            })
        };
        self.siblings.iter().filter_map(shared).collect()
    }

    fn too_many(&self, node: &Node) -> Option<Problem> {
        let Shards::Count(shards) = node.shards else { return None };
        let usable = self.allowed.len();
        if usize::from(shards) <= usable {
            return None;
        }
        let what = format!(
            "{shards} shards need {shards} CPUs, this process may use {usable} (cpuset {}; the host has {})",
            format_cpu_list(&self.allowed),
            self.present.len()
        );
        let problem = Problem::error("TOP001", what);
        Some(match node.profile {
            Profile::Prod => problem
                .fix(format!("node.shards = {usable}   or node.shards = \"auto\""))
                .fix("node.profile = \"dev\": shards share CPUs, and latency is not predictable"),
            Profile::Dev => Problem { severity: Severity::Warning, ..problem }
                .why("shards share CPUs: everything works, latency is not predictable"),
        })
    }
}

fn list(root: &Root, name: &str) -> Vec<usize> {
    let text = root.read(&format!("sys/devices/system/cpu/{name}")).unwrap_or_default();
    parse_cpu_list(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;
    use crate::config::Config;

    fn map() -> CpuMap {
        let (_dir, root) = fixture(&[
            ("sys/devices/system/cpu/present", "0-5\n"),
            ("sys/devices/system/cpu/online", "0-3,5\n"),
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2\n"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2\n"),
            ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1\n"),
        ]);
        CpuMap::read_with(&root, vec![0, 1, 2, 3])
    }

    fn check(change: impl Fn(&mut Node)) -> String {
        let mut node = Config::default().node;
        change(&mut node);
        map().check(&node).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn readings_become_lists() {
        let map = map();
        assert_eq!(map.present, [0, 1, 2, 3, 4, 5]);
        assert_eq!(map.online, [0, 1, 2, 3, 5]);
        assert_eq!(map.siblings, [[0, 2]]);
        assert_eq!(map.auto_shards(), 3);
        assert_eq!(CpuMap::default().auto_shards(), 1);
    }

    #[test]
    fn each_wrong_cpu_is_named_with_what_was_found() {
        let text = check(|node| {
            node.cpus = Cpus::List(vec![1, 4, 9]);
            node.publisher_cpu = Some(5);
        });
        assert_eq!(
            text,
            "error[TOP003]: node.cpus: CPU 4 is switched off
  found: /sys/devices/system/cpu/cpu4/online is 0
  fix: choose from 0-3
error[TOP002]: node.cpus: CPU 9 does not exist
  found: the host has CPU 0-5
  fix: choose from 0-3
error[TOP004]: node.publisher_cpu: CPU 5 may not be used by this process
  found: it may use CPU 0-3
  fix: choose from 0-3"
        );
    }

    #[test]
    fn siblings_are_a_warning() {
        let text = check(|node| {
            node.cpus = Cpus::List(vec![0, 1]);
            node.publisher_cpu = Some(2);
        });
        assert!(
            text.starts_with("warn[TOP005]: CPU 0,2 are threads of one physical core"),
            "{text}"
        );
        assert_eq!(check(|node| node.cpus = Cpus::List(vec![0, 1])), "");
    }

    #[test]
    fn more_shards_than_cpus_is_an_error_in_prod_and_a_warning_in_dev() {
        let prod = check(|node| {
            node.shards = Shards::Count(8);
            node.profile = Profile::Prod;
        });
        assert_eq!(
            prod,
            "error[TOP001]: 8 shards need 8 CPUs, this process may use 4 (cpuset 0-3; the host has 6)
  fix: node.shards = 4   or node.shards = \"auto\"
   or: node.profile = \"dev\": shards share CPUs, and latency is not predictable"
        );
        let dev = check(|node| node.shards = Shards::Count(8));
        assert!(dev.starts_with("warn[TOP001]: 8 shards"), "{dev}");
        assert_eq!(check(|node| node.shards = Shards::Count(4)), "");
    }

    #[test]
    fn this_host_has_a_cpu_for_us() {
        let map = CpuMap::read(&Root::system());
        assert!(!map.allowed.is_empty() && map.allowed.iter().all(|cpu| map.online.contains(cpu)));
    }
}
