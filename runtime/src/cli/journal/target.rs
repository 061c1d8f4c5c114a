//! The directory that a verb writes: where it may be, whether it may be written, and how it takes the old one's place.

use std::fs;
use std::io::{BufRead, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use persist::lock::{self as dir_lock, DirLock, LockError};

use super::not_readable;
use crate::cli::print::talk;
use crate::control;
use crate::diag::{Problem, reason};

/// The old directory and the one to be written.
#[derive(Debug)]
pub(super) struct Target {
    /// The old one, by a name that can be given to another: `.` cannot.
    pub(super) dir: PathBuf,
    /// The new one. Nothing is there.
    pub(super) into: PathBuf,
}

impl Target {
    /// Refuses a place where something is, or that is inside the old directory.
    pub(super) fn new(dir: &Path, into: Option<&Path>, ending: &str) -> Result<Target, Problem> {
        let real = dir.canonicalize().map_err(|error| not_readable(dir, &error))?;
        let dir = if dir.file_name().is_some() { plain(dir) } else { real.clone() };
        let into = into.map_or_else(|| beside(&dir, ending), plain);
        if is_inside(&into, &real) {
            let what = format!("{} is inside {}", into.display(), dir.display());
            return Err(Problem::error("JRN009", what)
                .why("the old directory stays as it is")
                .fix("name a directory beside it: --into NEWDIR"));
        }
        match fs::symlink_metadata(&into) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Target { dir, into }),
            Ok(found) if found.is_symlink() => Err(taken(&into, "is there, a symbolic link")),
            Ok(_) => Err(taken(&into, "exists already")),
            Err(error) => Err(taken(&into, &reason(&error))),
        }
    }

    /// How the new directory takes the place of the old one, and back. Lines to be pasted stand alone.
    pub(super) fn swap(&self, then: &str, back: &str) -> String {
        let (dir, into) = (quoted(&self.dir), quoted(&self.into));
        let before = quoted(&beside(&self.dir, ".before"));
        format!(
            "use it:\n  mv {dir} {before} && mv {into} {dir}\n{then}undo:\n  mv {dir} {into} && mv {before} {dir}\n{back}"
        )
    }
}

/// A path without what says nothing, such as a slash at its end.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

fn taken(into: &Path, how: &str) -> Problem {
    Problem::error("DIR001", format!("{} {how}", into.display()))
        .fix("name another directory: --into NEWDIR")
}

/// Whether `path` is, or would be, below `dir`, which is a real path.
fn is_inside(path: &Path, dir: &Path) -> bool {
    let above = path.ancestors().skip(1).find_map(|above| {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        above.canonicalize().ok()
    });
    above.is_some_and(|above| above.starts_with(dir))
}

/// The directory's name with an ending.
pub(super) fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.components().as_path().as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    let dashed = if text.starts_with('-') { "./" } else { "" };
    format!("'{dashed}{}'", text.replace('\'', "'\\''"))
}

/// Locks a data directory, if a node has ever worked in it.
pub(super) fn lock(data_dir: &Path) -> Result<Option<DirLock>, Problem> {
    if !data_dir.join(dir_lock::NAME).exists() {
        return Ok(None);
    }
    match DirLock::acquire(data_dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if is_read_only(&error) => {
            talk(&format!(
                "{} is on a read-only file system: it is read without its lock; no node may be at work in it\n",
                data_dir.display()
            ));
            Ok(None)
        }
        Err(error) => Err(control::not_locked(data_dir, &error)),
    }
}

fn is_read_only(error: &LockError) -> bool {
    matches!(error, LockError::Disk(error) if error.source.kind() == ErrorKind::ReadOnlyFilesystem)
}

/// Asks on a terminal. Without one, nobody can say yes.
pub(super) fn confirmed(question: &str) -> Result<bool, Problem> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Problem::error("JRN009", "this writes, and nobody is there to say yes")
            .fix("--dry-run says what it would do, --yes does it"));
    }
    talk(question);
    let mut answer = String::new();
    // An end of input is no yes.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_so_that_a_shell_takes_them_as_they_are() {
        let check = |path: &str, text: &str| assert_eq!(quoted(Path::new(path)), text);
        check("/var/lib/corelane/shard-0", "/var/lib/corelane/shard-0");
        check("/mnt/my data", "'/mnt/my data'");
        check("it's", "'it'\\''s'");
        check("-x", "'./-x'");
    }

    #[test]
    fn a_place_inside_the_old_directory_or_that_is_taken_is_refused() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let old = home.path().join("old");
        fs::create_dir(&old).expect("created");
        let code = |into: PathBuf| Target::new(&old, Some(&into), "").err().map(|found| found.code);
        assert_eq!(code(home.path().join("new")), None);
        assert_eq!(code(home.path().join("oldest")), None);
        assert_eq!(code(old.join("new")), Some("JRN009"));
        assert_eq!(code(old.join("not/there/yet")), Some("JRN009"));
        assert_eq!(code(home.path().join("old/../old/new")), Some("JRN009"));
        assert_eq!(code(old.clone()), Some("DIR001"));
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path().join("nowhere"), &link).expect("linked");
        assert_eq!(code(link), Some("DIR001"));
        let slash = Target::new(&home.path().join("old/"), None, ".new").expect("it is free");
        assert_eq!(slash.into, home.path().join("old.new"));
    }

    #[test]
    fn only_a_read_only_file_system_is_done_without_a_lock() {
        use persist::disk::{DiskError, Op};
        let failed = |kind: ErrorKind| {
            LockError::Disk(DiskError {
                op: Op::Create,
                path: PathBuf::new(),
                offset: None,
                source: kind.into(),
            })
        };
        assert!(is_read_only(&failed(ErrorKind::ReadOnlyFilesystem)));
        assert!(!is_read_only(&failed(ErrorKind::PermissionDenied)));
    }
}
