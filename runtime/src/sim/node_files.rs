//! A node's data directory: `<kind>/hourly/{YYYYMMDD}/{H}`, appended to block by block.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use super::chain::{NodeKind, NodeOp, civil};

/// Hours of a day.
const DAY_HOURS: u64 = 24;

/// The directory, and the files that are being written.
#[derive(Debug)]
pub(crate) struct NodeFiles {
    dir: PathBuf,
    plain: bool,
    open: BTreeMap<NodeKind, (PathBuf, File)>,
}

impl NodeFiles {
    pub(crate) fn new(dir: PathBuf, plain: bool) -> NodeFiles {
        NodeFiles { dir, plain, open: BTreeMap::new() }
    }

    /// Does all of it, in order. An error names the file.
    pub(crate) fn apply(&mut self, ops: Vec<NodeOp>) -> Result<(), (PathBuf, io::Error)> {
        for op in ops {
            let (path, done) = match op {
                NodeOp::Append { kind, hour, text } => {
                    let path = self.path(kind, hour);
                    (path.clone(), self.append(kind, path, text.as_bytes()))
                }
                NodeOp::Replace(kind) => match self.open.remove(&kind) {
                    Some((path, _old)) => (path.clone(), replace(&path)),
                    None => continue,
                },
            };
            done.map_err(|error| (path, error))?;
        }
        Ok(())
    }

    /// The file of an hour since the epoch: its name has no leading zero.
    fn path(&self, kind: NodeKind, hour: u64) -> PathBuf {
        let (year, month, day) = civil(hour / DAY_HOURS);
        self.dir
            .join(kind.name(self.plain))
            .join("hourly")
            .join(format!("{year:04}{month:02}{day:02}"))
            .join((hour % DAY_HOURS).to_string())
    }

    fn append(&mut self, kind: NodeKind, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
        if self.open.get(&kind).is_none_or(|(open, _)| *open != path) {
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            self.open.insert(kind, (path, file));
        }
        let (_, file) = self.open.get_mut(&kind).expect("opened above");
        file.write_all(bytes)
    }
}

/// Another file with the same bytes takes the name.
fn replace(path: &PathBuf) -> io::Result<()> {
    let mut copy = path.clone().into_os_string();
    copy.push(".tmp");
    fs::copy(path, &copy)?;
    fs::rename(&copy, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn hours_have_their_files_and_a_replaced_file_is_another_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut files = NodeFiles::new(dir.path().to_owned(), false);
        let append = |hour: u64, text: &str| NodeOp::Append {
            kind: NodeKind::Fills,
            hour,
            text: text.to_owned(),
        };
        // 2026-09-21 is day 20717.
        let first = 20_717 * 24 + 8;
        files.apply(vec![append(first, "a\n"), append(first, "b")]).expect("written");
        let path = dir.path().join("node_fills_by_block/hourly/20260921/8");
        assert_eq!(fs::read_to_string(&path).expect("there"), "a\nb");
        let inode = fs::metadata(&path).expect("there").ino();
        files.apply(vec![NodeOp::Replace(NodeKind::Fills), append(first, "c\n")]).expect("written");
        assert_ne!(fs::metadata(&path).expect("there").ino(), inode);
        assert_eq!(fs::read_to_string(&path).expect("there"), "a\nbc\n");
        files.apply(vec![append(first + 16, "d\n")]).expect("written");
        let next = dir.path().join("node_fills_by_block/hourly/20260922/0");
        assert_eq!(fs::read_to_string(next).expect("there"), "d\n");
    }
}
