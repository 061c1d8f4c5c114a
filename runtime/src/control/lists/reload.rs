//! The configuration file, read again: the same checks as at the start, all or nothing.
//!
//! Environment and flags are those of the start and keep winning. A key that only a start takes over is named when it
//! changes, once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::keys::{Reload, SOURCE};
use crate::config::{Config, LoadOptions, Loaded, LogLevel, Setting};
use crate::diag::{Problem, Problems, Severity};

/// Settings that are taken over while running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    /// `canary.ratio`
    pub canary_ratio: u8,
    /// `monitor.remove_grace`
    pub remove_grace: Duration,
    /// `monitor.reload_interval`
    pub reload_interval: Duration,
    /// `log.level`
    pub log_level: LogLevel,
}

impl Live {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Live {
        Live {
            canary_ratio: config.canary.ratio,
            remove_grace: config.monitor.remove_grace,
            reload_interval: config.monitor.reload_interval,
            log_level: config.log.level,
        }
    }

    /// Takes over what differs between two readings of the configuration. The rest stays, also what was set by hand.
    pub fn take_changes(&mut self, before: &Live, after: &Live) {
        fn take<T: PartialEq + Copy>(own: &mut T, before: T, after: T) {
            if before != after {
                *own = after;
            }
        }
        take(&mut self.canary_ratio, before.canary_ratio, after.canary_ratio);
        take(&mut self.remove_grace, before.remove_grace, after.remove_grace);
        take(&mut self.reload_interval, before.reload_interval, after.reload_interval);
        take(&mut self.log_level, before.log_level, after.log_level);
    }
}

/// Reads the file again.
pub(super) struct Reloader {
    load: Option<LoadOptions>,
    /// Of every key that needs a restart, by name, what it was at the start.
    running: BTreeMap<String, u64>,
}

impl Reloader {
    pub(super) fn new(load: Option<LoadOptions>, loaded: &Loaded) -> Reloader {
        Reloader { load, running: fixed(&loaded.settings) }
    }

    /// The configuration as it is written now, and the changed keys that need a restart; `None` if it is not to be read.
    pub(super) fn read(&self) -> Result<Option<(Config, Vec<String>)>, Problem> {
        let Some(load) = &self.load else { return Ok(None) };
        let loaded = Config::load_settings(load.clone()).map_err(|problems| refused(&problems))?;
        let now = fixed(&loaded.settings);
        let names = self.running.keys().chain(now.keys());
        let differs = |name: &&String| self.running.get(*name) != now.get(*name);
        let mut changed: Vec<String> = names.filter(differs).cloned().collect();
        changed.sort();
        changed.dedup();
        Ok(Some((loaded.config, changed)))
    }
}

/// Every setting that needs a restart, by name.
fn fixed(settings: &[Setting]) -> BTreeMap<String, u64> {
    let needs_restart =
        |setting: &&Setting| setting.key.in_build && setting.key.reload == Reload::Restart;
    let name = |setting: &Setting| match setting.index {
        index if setting.key.section == SOURCE => {
            format!("{SOURCE}[{index}].{}", setting.key.name)
        }
        _ => setting.key.path(),
    };
    let fixed = settings.iter().filter(needs_restart);
    fixed.map(|setting| (name(setting), setting.fingerprint)).collect()
}

/// Nothing is taken over: the first error says why.
fn refused(problems: &Problems) -> Problem {
    let errors: Vec<&Problem> =
        problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    let first = errors.first().expect("a load fails with an error");
    let mut problem =
        Problem::warning("CFG015", format!("not reloaded, old values stay: {}", first.what))
            .why(format!("first of {} errors: {}", errors.len(), first.one_line()))
            .fix("corelane check");
    problem.where_ = first.where_.clone();
    problem
}

/// What the user reads of keys that wait for a restart.
pub(super) fn needs_restart(names: &[String]) -> Problem {
    Problem::warning(
        "CFG014",
        format!("changed, and in force after a restart: {}", names.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_by_hand_stays_until_its_own_key_changes() {
        let first = Live::of(&Config::default());
        let mut own = Live { canary_ratio: 3, ..first };
        let second = Live { log_level: LogLevel::Debug, ..first };
        own.take_changes(&first, &second);
        assert_eq!(own, Live { canary_ratio: 3, log_level: LogLevel::Debug, ..first });
        let third = Live { canary_ratio: 60, ..second };
        own.take_changes(&second, &third);
        assert_eq!(own, third);
    }
}
