//! Journals that are damaged, of a later format, somebody else's, or none.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::Value;

use super::gopherex::frame;
use super::{BLOCK, INPUTS, Sample, arg, lines, place_of, run, says};
use crate::{Ended, corelane, directory, finish};

#[test]
fn a_reader_that_goes_away_ends_a_dump_without_a_word() {
    let data = Sample::whole();
    for format in ["corelane", "gopherex"] {
        let file = data.path().join("long.wal");
        let record = |n: u32| [&frame(format!("{{\"n\":{n}}}").as_bytes())[..]].concat();
        fs::write(&file, (0..20_000).flat_map(record).collect::<Vec<_>>()).expect("written");
        let shard = data.shard();
        let path = if format == "corelane" { arg(&shard) } else { arg(&file) };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let args = ["journal", "dump", path, "--format", format];
        let dump = corelane(data.path(), &args).stdout(writer).spawn().expect("it starts");
        let ended = finish(dump);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_flipped_bit_is_told_with_what_follows_and_what_to_do_and_that_works() {
    let data = Sample::whole();
    let before = data.ask(&["replay"], &["--to-seq", "24", "--json"]);
    let (segment, offset) = place_of(&data, 25);
    data.change(segment, offset, |block| block[100] ^= 0x10);
    let verify = data.journal("verify", &[]);
    let path = data.segment(segment).display().to_string();
    let cut = format!("corelane journal truncate {} --at-seq 25 --dry-run", data.shard().display());
    let byte = format!("{path}: byte {offset} (seq 25) is damaged: wrong checksum; ");
    says(&verify, 1, &["JRN005", &byte, "good batches with", &cut, "(would drop 36 inputs)"]);
    assert!(verify.out.starts_with("shard 0: NOT WHOLE"), "{}", verify.out);
    let replay = data.ask(&["replay"], &[]);
    says(&replay, 74, &["JRN005", &path, &cut, "corelane journal verify"]);
    assert!(data.journal("info", &[]).out.contains("DAMAGED"));
    says(&run(&["journal", "diff", arg(data.path()), arg(data.path())]), 74, &["JRN005"]);

    let dump = data.journal("dump", &[]);
    says(&dump, 1, &["1 damaged stretch (4096 bytes) stepped over"]);
    assert_eq!(dump.err.lines().count(), 1, "{}", dump.err);
    let lines = lines(&dump);
    let damaged: Vec<_> = lines.iter().filter(|line| line["crc_ok"] == false).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((&damaged[0]["seq"], &damaged[0]["next_seq"]), (&25.into(), &28.into()));
    assert_eq!((&damaged[0]["off"], &damaged[0]["bytes"]), (&offset.into(), &BLOCK.into()));
    assert_eq!(lines.last().map(|line| &line["seq"]), Some(&INPUTS.into()));

    // What the message says to do, done.
    let plan = data.journal("truncate", &["--at-seq", "25", "--dry-run"]);
    assert!(plan.code == Some(0) && plan.out.contains("24 inputs"), "{}\n{}", plan.out, plan.err);
    says(&data.journal("truncate", &["--at-seq", "26", "--yes"]), 1, &["JRN015", "--at-seq 25"]);
    says(&data.journal("truncate", &["--at-seq", "25"]), 2, &["JRN009", "--yes"]);
    let written = data.journal("truncate", &["--at-seq", "25", "--yes"]);
    says(&written, 0, &["stays as it is", "use it:\n  mv ", "undo:\n  mv "]);
    let new = data.path().join("shard-0.truncated");
    assert_eq!(written.out, format!("{}\n", new.display()));
    let after = run(&["replay", arg(&new), "--verify", "--json"]);
    let hash = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        replay["shards"][0]["state_hash"].clone()
    };
    assert_eq!(hash(&after), hash(&before));
    says(&data.journal("truncate", &["--at-seq", "25", "--yes"]), 73, &["DIR001", "--into"]);
    says(&run(&["journal", "verify", arg(&new)]), 0, &[]);
    says(&data.journal("verify", &[]), 1, &["JRN005"]);
}

#[test]
fn a_zeroed_block_a_cut_file_and_a_huge_length_are_damage() {
    type Harm = fn(&Sample, u64, u64);
    let harms: [(Harm, &str); 3] = [
        (|data, segment, offset| data.change(segment, offset, |block| block.fill(0)), "zeros"),
        (
            |data, segment, offset| {
                data.change(segment, offset, |block| block[44..48].fill(0xFF));
            },
            "a length of 4294967295 does not fit",
        ),
        (
            |data, segment, offset| {
                let file = OpenOptions::new().write(true).open(data.segment(segment));
                file.expect("a segment").set_len(offset).expect("cut");
            },
            "it was made with 65536",
        ),
    ];
    for (harm, why) in harms {
        let data = Sample::whole();
        let (segment, offset) = place_of(&data, 25);
        harm(&data, segment, offset);
        says(&data.journal("verify", &[]), 1, &["JRN005", why]);
        let dump = data.journal("dump", &[]);
        assert_eq!(dump.code, Some(1), "{why}: {}", dump.err);
        let damaged = lines(&dump).into_iter().any(|line| line["crc_ok"] == false);
        assert!(damaged, "{why}: {}", dump.out);
        assert_eq!(data.journal("info", &[]).code, Some(0));
        assert!(matches!(data.ask(&["replay"], &[]).code, Some(74)));
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        let fold = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), fold)
    })
}

#[test]
fn a_later_format_is_left_alone() {
    let data = Sample::whole();
    // A batch of format 2, intact: the checksum is over place, magic and the rest.
    let (segment, offset) = place_of(&data, 25);
    data.change(segment, offset, |block| {
        block[8] = 2;
        let mut head = [&segment.to_le_bytes()[..], &offset.to_le_bytes()].concat();
        head.extend(&block[..4]);
        head.extend([0; 4]);
        head.extend(&block[8..]);
        block[4..8].copy_from_slice(&crc32c(&head).to_le_bytes());
    });
    says(&data.journal("verify", &[]), 78, &["JRN003", "format 2", "reads up to 1"]);
    says(&data.journal("dump", &[]), 78, &["JRN003"]);
    says(&data.ask(&["replay"], &[]), 78, &["JRN003"]);

    let data = Sample::whole();
    let path = data.shard().join("superblock");
    let mut bytes = fs::read(&path).expect("a superblock");
    for (slot, block) in bytes.chunks_mut(BLOCK as usize).enumerate() {
        block[8] = 9;
        let mut head = (slot as u64).to_le_bytes().to_vec();
        head.extend(&block[..4]);
        head.extend([0; 4]);
        head.extend(&block[8..]);
        block[4..8].copy_from_slice(&crc32c(&head).to_le_bytes());
    }
    fs::write(&path, bytes).expect("written");
    says(&data.journal("verify", &[]), 78, &["JRN003", "format 9"]);
    says(&data.ask(&["replay"], &[]), 78, &["JRN003", "format 9"]);
    assert!(data.journal("info", &[]).out.contains("superblock  format 9"));
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let empty = directory();
    let file = empty.path().join("file");
    fs::write(&file, "x").expect("written");
    let nowhere = empty.path().join("nowhere");
    for verb in
        [&["replay"][..], &["journal", "info"], &["journal", "dump"], &["journal", "verify"]]
    {
        for path in [empty.path(), &file, &nowhere] {
            let ended = run(&[verb, &[arg(path)]].concat());
            says(&ended, 74, &["JRN001", arg(path)]);
            assert_eq!(ended.out, "");
        }
    }
}

#[test]
fn a_directory_of_another_user_is_refused_with_the_reason() {
    let data = Sample::whole();
    fs::set_permissions(data.shard(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let shard = data.shard();
    let mut verify = corelane(Path::new("/"), &["journal", "verify", arg(&shard)]);
    if rustix::process::getuid().is_root() {
        // Nobody, who may not read it.
        verify.uid(65_534).gid(65_534);
    } else {
        fs::set_permissions(data.shard(), fs::Permissions::from_mode(0o0)).expect("it is ours");
    }
    let ended = finish(verify.spawn().expect("the binary starts"));
    says(&ended, 74, &["JRN001", "permission denied", "sudo"]);
    fs::set_permissions(data.shard(), fs::Permissions::from_mode(0o700)).expect("it is ours");
}
