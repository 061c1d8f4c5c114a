//! A disk that fills up under a running node, and has space again: said once at each end, nothing lost. The disk is a
//! small tmpfs, which only root can mount: without it the test is skipped, loudly.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::ending::all_followed;
use common::market::Market;
use common::node::{contents, follow_at, source};
use common::program::Program;
use common::sums::Signals;
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A file system of its own, gone when this is dropped.
struct Small {
    dir: TempDir,
}

impl Small {
    fn mount(mib: usize) -> Option<Small> {
        let dir = tempfile::tempdir().expect("a directory");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "corelane-test"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(done) if done.status.success() => Some(Small { dir }),
            other => {
                eprintln!("skipped: a tmpfs cannot be mounted here: {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).expect("created");
        let chunk = vec![1; MIB];
        while file.write_all(&chunk).is_ok() {}
        for bytes in [4096, 1] {
            while file.write_all(&chunk[..bytes]).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A lazy one: a node that a failed test left behind must not keep it.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_heals_by_itself_and_loses_nothing() {
    let Some(disk) = Small::mount(64) else { return };
    let config_dir = tempfile::tempdir().expect("a directory");
    let market = Market::start(&["--seed", "5", "--traders", "10", "--rate", "30"]);
    let config = config_dir.path().join("corelane.toml");
    let store = config_dir.path().join("corelane.db");
    let follow = follow_at(
        market.addresses(),
        &source(market.ws_url(), market.info_url()),
        "",
        "timeout = \"2s\"\nstatus_grace = \"1s\"",
    );
    let text = format!(
        "[node]\ndata_dir = \"{}/data\"\nshards = 1\n{follow}\n[journal]\nsegment_size = \"4MiB\"\n\
         [admin]\nlisten = \"\"\n[store]\nurl = \"sqlite:{}\"\n[log]\nformat = \"text\"\n",
        disk.path().display(),
        store.display()
    );
    fs::write(&config, text).expect("written");
    let args = ["run", "-c", config.to_str().expect("a plain path")];
    let mut node = Program::start(&args);
    all_followed(&node, market.addresses().len());
    let mut signals = Signals::default();
    let ballast = disk.fill();
    let mut said = 0;
    node.err.wait(&mut said, "full disk", |line| line.contains("DSK001"));
    let unfinished = contents(&disk.path().join("data/shard-0"));
    assert!(
        unfinished.iter().all(|(path, _)| path.extension().is_none_or(|end| end != "tmp")),
        "nothing is left of a segment that found no space"
    );
    fs::remove_file(ballast).expect("removed");
    node.err.wait(&mut said, "space again", |line| line.contains("DSK002"));
    let mut cursor = node.out.count();
    node.out.wait(&mut cursor, "signal after it", |_| true);
    market.stop_trading();
    let truth = market.truth();
    let mut cursor = 0;
    let told = node.out.try_wait(&mut cursor, |line| {
        signals.take(line);
        signals.sums == truth
    });
    if let Err(why) = told {
        signals.sums.assert_equals(&truth, &why);
    }
    let said = node.ends_well();
    assert_eq!(said.matches("DSK001").count(), 1, "{said}");
    assert_eq!(said.matches("DSK002").count(), 1, "{said}");
}

#[test]
fn a_disk_too_small_to_begin_with_is_refused() {
    let Some(disk) = Small::mount(6) else { return };
    let config_dir = tempfile::tempdir().expect("a directory");
    let config = config_dir.path().join("corelane.toml");
    let addr = common::node::silent_addr();
    let source = source(&format!("ws://{addr}/ws"), &format!("http://{addr}/info"));
    let account = ["0x00000000000000000000000000000000000000aa".to_owned()];
    let follow = follow_at(&account, &source, "", "");
    let text = format!(
        "[node]\ndata_dir = \"{}/data\"\nshards = 1\n{follow}\n[journal]\nsegment_size = \"8MiB\"\n",
        disk.path().display(),
    );
    fs::write(&config, text).expect("written");
    let said = Program::start(&["run", "-c", config.to_str().expect("plain")]).ends_with(74);
    assert!(said.contains("DSK001"), "{said}");
}
