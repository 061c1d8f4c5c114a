//! Whether files can be created in a directory, and how much room there is.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::units::approximate_size;
use crate::diag::{Problem, reason};

/// Room on a file system, in bytes, as an unprivileged user may use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// What is free.
    pub free: u64,
    /// What there is.
    pub total: u64,
}

/// Finds out whether `dir` can be written, or created where it does not exist, without creating it.
///
/// A file is created and removed in the directory, or in the nearest one above that exists:
/// permission bits alone do not tell about read-only mounts, quotas and containers.
pub fn check(dir: &Path, setting: &str) -> Result<(), Problem> {
    let nearest = nearest_existing(dir).map_err(|error| refused(dir, setting, &error))?;
    tempfile::Builder::new()
        .prefix(".corelane-check-")
        .tempfile_in(&nearest)
        .and_then(tempfile::NamedTempFile::close)
        .map_err(|error| refused(dir, setting, &error))
}

/// Creates `dir` with its parents where it does not exist, and finds out whether it can be written.
pub fn prepare(dir: &Path, setting: &str) -> Result<(), Problem> {
    std::fs::create_dir_all(dir).map_err(|error| refused(dir, setting, &error))?;
    check(dir, setting)
}

/// Says why a directory cannot be used. `setting` is a key (`node.data_dir`) or a flag (`--data`).
pub fn refused(dir: &Path, setting: &str, error: &io::Error) -> Problem {
    use io::ErrorKind as Kind;
    let path = dir.display();
    if matches!(error.kind(), Kind::StorageFull | Kind::QuotaExceeded) {
        let what = format!("{path}: {}", reason(error));
        return Problem::error("DSK001", what).fix("free space, or use another directory");
    }
    let cannot_create = matches!(
        error.kind(),
        Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::NotADirectory
            | Kind::NotFound
            | Kind::AlreadyExists
            | Kind::InvalidFilename
    );
    let why = match error.kind() {
        Kind::AlreadyExists => "it is a file, not a directory".to_owned(),
        _ => reason(error),
    };
    if cannot_create {
        let what = format!("{path} cannot be created or written: {why}");
        let problem = Problem::error("DIR001", what);
        let problem = match error.kind() {
            Kind::PermissionDenied => problem.fix(format!("sudo install -d -o \"$USER\" {path}")),
            _ => problem,
        };
        return problem.fix(format!("choose another directory with {setting}"));
    }
    Problem::error("DIR002", format!("{path} cannot be used: {why}"))
}

/// The room on the file system that `dir` is on, or will be on.
pub fn space(dir: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(&nearest_existing(dir)?)?;
    let block = stat.f_frsize;
    Ok(Space {
        free: stat.f_bavail.saturating_mul(block),
        total: stat.f_blocks.saturating_mul(block),
    })
}

/// The problem with a file system that has less than `needed` bytes left; `what_for` ends the
/// sentence "no space for".
pub fn check_space(dir: &Path, space: Space, needed: u64, what_for: &str) -> Option<Problem> {
    if space.free >= needed {
        return None;
    }
    let (free, total) = (approximate_size(space.free), approximate_size(space.total));
    let path = dir.display();
    let what = format!("{path}: no space for {what_for} ({free} free of {total})");
    let needed = approximate_size(needed);
    Some(Problem::error("DSK001", what).why(format!("needed: {needed}")).fix("free space"))
}

/// The directory itself if it exists, otherwise the nearest one above it that does.
fn nearest_existing(dir: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(dir)?;
    for above in absolute.ancestors() {
        match std::fs::metadata(above) {
            Ok(meta) if meta.is_dir() => return Ok(above.to_path_buf()),
            Ok(_) => return Err(rustix::io::Errno::NOTDIR.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(rustix::io::Errno::NOENT.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Exit;

    #[test]
    fn a_directory_that_can_be_created_is_not_created_by_asking() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = base.path().join("a/b");
        assert_eq!(check(&dir, "node.data_dir"), Ok(()));
        assert!(!dir.exists());
        assert_eq!(prepare(&dir, "node.data_dir"), Ok(()));
        assert_eq!(std::fs::read_dir(&dir).expect("there").count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_said_in_words() {
        let base = tempfile::tempdir().expect("a directory");
        let file = base.path().join("file");
        std::fs::write(&file, "").expect("a file");
        for dir in [file.join("below"), file.clone()] {
            for problem in [check(&dir, "--data"), prepare(&dir, "--data")] {
                let problem = problem.expect_err("a file is in the way");
                assert_eq!((problem.code, problem.exit()), ("DIR001", Exit::CannotCreate));
                let text = problem.to_string();
                assert!(text.contains("a file, not a directory"), "{text}");
                assert!(text.ends_with("fix: choose another directory with --data"), "{text}");
            }
        }
    }

    #[test]
    fn each_refusal_has_its_code_and_words() {
        let say = |errno: i32| {
            let error = io::Error::from_raw_os_error(errno);
            refused(Path::new("/x"), "node.data_dir", &error)
        };
        assert_eq!(
            say(13).to_string(),
            "error[DIR001]: /x cannot be created or written: permission denied for this user
  fix: sudo install -d -o \"$USER\" /x
   or: choose another directory with node.data_dir"
        );
        assert!(say(30).to_string().contains("the file system is mounted read-only"));
        assert_eq!((say(28).code, say(28).exit()), ("DSK001", Exit::Io));
        assert_eq!(say(122).code, "DSK001");
        let io = say(5);
        assert_eq!((io.code, io.exit()), ("DIR002", Exit::Io));
        assert!(say(24).to_string().contains("too many open files"));
    }

    #[test]
    fn a_real_refusal_of_the_kernel_is_in_words() {
        // Nobody, not even root, can create a file there.
        let problem = check(Path::new("/proc/corelane"), "node.data_dir").expect_err("procfs");
        assert!(!problem.to_string().contains("os error"), "{problem}");
        assert!(problem.code.starts_with("DIR"), "{problem}");
    }

    #[test]
    fn room_is_measured_and_judged() {
        let base = tempfile::tempdir().expect("a directory");
        let room = space(&base.path().join("not/yet")).expect("a file system");
        assert!(room.free > 0 && room.total >= room.free);
        let tight = Space { free: 12 << 20, total: 200 << 30 };
        let dir = Path::new("/var/lib/corelane");
        assert_eq!(check_space(dir, tight, 12 << 20, "x"), None);
        assert_eq!(
            check_space(dir, tight, 64 << 20, "the next 64 MiB segment").expect("tight").to_string(),
            "error[DSK001]: /var/lib/corelane: no space for the next 64 MiB segment (12 MiB free of 200 GiB)
  needed: 64 MiB
  fix: free space"
        );
    }
}
