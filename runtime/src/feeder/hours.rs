//! The names of a node's files: `hourly/{YYYYMMDD}/{H}`, the hour without a leading zero.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One file: an hour of UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Hour {
    /// The day as the number that its directory's name is: 20251125.
    pub(super) day: u32,
    /// The hour, 0 to 23.
    pub(super) hour: u8,
}

impl Hour {
    /// From the names of the directory and the file; `None` for names that a node does not give.
    pub(super) fn parse(day: &str, hour: &str) -> Option<Hour> {
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_zero = hour.len() > 1 && hour.starts_with('0');
        if day.len() != 8 || !all_digits(day) || !all_digits(hour) || has_zero {
            return None;
        }
        let hour: u8 = hour.parse().ok().filter(|hour| *hour < 24)?;
        Some(Hour { day: day.parse().ok()?, hour })
    }

    /// The day's directory.
    pub(super) fn dir(self, hourly: &Path) -> PathBuf {
        hourly.join(format!("{:08}", self.day))
    }

    /// The file.
    pub(super) fn path(self, hourly: &Path) -> PathBuf {
        self.dir(hourly).join(self.hour.to_string())
    }
}

/// The newest file below `hourly`; `None` if there is none, or no such directory.
pub(super) fn newest(hourly: &Path) -> io::Result<Option<Hour>> {
    let mut days = days(hourly)?;
    days.sort_unstable();
    while let Some(day) = days.pop() {
        if let Some(newest) = hours(hourly, day)?.into_iter().max() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

/// The file that follows `hour`: the next one that there is, for a node may have been down for hours.
pub(super) fn after(hourly: &Path, hour: Hour) -> io::Result<Option<Hour>> {
    let mut days = days(hourly)?;
    days.retain(|day| *day >= hour.day);
    days.sort_unstable();
    for day in days {
        let next = hours(hourly, day)?.into_iter().filter(|found| *found > hour).min();
        if next.is_some() {
            return Ok(next);
        }
    }
    Ok(None)
}

fn days(hourly: &Path) -> io::Result<Vec<u32>> {
    let is_day = |name: &String| name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit());
    Ok(names(hourly)?.iter().filter(|name| is_day(name)).filter_map(|n| n.parse().ok()).collect())
}

fn hours(hourly: &Path, day: u32) -> io::Result<Vec<Hour>> {
    let name = format!("{day:08}");
    let found = names(&hourly.join(&name))?;
    Ok(found.iter().filter_map(|hour| Hour::parse(&name, hour)).collect())
}

/// The names in a directory; none if it is not there.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_one_another_by_day_and_hour() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let hourly = dir.path();
        assert_eq!(newest(&hourly.join("none")).expect("no error"), None);
        let hour = |day, hour| Hour { day, hour };
        let files = [hour(20_251_124, 23), hour(20_251_125, 2), hour(20_251_125, 10)];
        for file in files {
            fs::create_dir_all(file.dir(hourly)).expect("created");
            fs::write(file.path(hourly), "").expect("written");
        }
        // A day that has no file yet, and names that are none of a node's.
        fs::create_dir(hourly.join("20251126")).expect("created");
        for name in ["20251125/03", "20251125/24", "20251125/11.lz4", "20251125/x", "1"] {
            fs::write(hourly.join(name), "").expect("written");
        }
        assert_eq!(newest(hourly).expect("readable"), Some(files[2]));
        let next = |of| after(hourly, of).expect("readable");
        assert_eq!(next(files[0]), Some(files[1]));
        assert_eq!(next(files[1]), Some(files[2]), "10 comes after 2");
        assert_eq!(next(files[2]), None);
        assert_eq!(next(hour(20_251_123, 7)), Some(files[0]), "one that is gone");
    }
}
