//! `journal dump --format gopherex`: the files of the Go engine that corelane replaces.
//!
//! A file is a run of records, each `length u32 | CRC-32 (IEEE) of the payload u32 | payload`, little-endian. Its
//! payloads, as that program's sources have them (`internal/engine` and `pkg/wal` of gopherex):
//!
//! | payload | what it is |
//! |---|---|
//! | first byte `{` or `[` | JSON, of a command or an event |
//! | 68 bytes | event: version u8 = 1, type u8, seq u64, index u16, request u64, order u64, user u64, maker u64, taker u64, price i64, quantity i64 |
//! | 67 bytes | command: version u8 = 1, type u8, seq u64, request u64, client time i64, order u64, user u64, side u8, price i64, quantity i64, order to cancel u64 |
//!
//! Types of events: 1 accepted, 2 rejected, 3 added, 4 cancelled, 5 trade, 250 the end of a command. Of commands: 1
//! submit, 2 cancel. Sides: 1 buy, 2 sell. A payload has at most 4 MiB there, so a longer length is damage. That program
//! ends at a record that was cut short; here it is said, and is no error.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::fields::Object;
use crate::cli::args::journal::DumpArgs;
use crate::cli::print::{Ended, Lines, talk};
use crate::diag::{Exit, Problem, Problems, reason};

const HEADER_BYTES: u64 = 8;
const PAYLOAD_BYTES_MAX: u32 = 4 << 20;
const EVENT_BYTES: usize = 68;
const COMMAND_BYTES: usize = 67;
const VERSION: u8 = 1;

/// `corelane journal dump --format gopherex FILE_OR_DIR`.
pub(super) fn run(args: &DumpArgs) -> Result<Exit, Problems> {
    let (mut lines, mut problems) = (Lines::new(), Problems::new());
    let files = files(&args.dir)?;
    for file in &files {
        let name = (files.len() > 1).then(|| file.display().to_string());
        match dump(file, name.as_deref(), args, &mut lines) {
            Ok(true) => {}
            Ok(false) => break,
            Err(problem) => problems.push(problem),
        }
    }
    Ok(match lines.end() {
        Ended::ReaderGone => Exit::Success,
        Ended::Failed => Exit::Io,
        Ended::Whole => {
            problems.print();
            problems.exit()
        }
    })
}

/// The file, or the `.wal` files of the directory.
fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed = |error: io::Error| not_read(path, &error);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let what = format!("{} holds no .wal file of gopherex", path.display());
        return Err(Problem::error("JRN001", what).fix("name a file, or the directory with them"));
    }
    Ok(files)
}

fn not_read(path: &Path, error: &io::Error) -> Problem {
    Problem::error("JRN001", format!("{} cannot be read: {}", path.display(), reason(error)))
}

/// Dumps one file. Whether somebody reads on.
fn dump(
    path: &Path,
    name: Option<&str>,
    args: &DumpArgs,
    lines: &mut Lines,
) -> Result<bool, Problem> {
    let failed = |error: io::Error| not_read(path, &error);
    let file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut at, mut bad, mut payload, mut line) = (0, 0_u64, Vec::new(), Vec::new());
    while at < total {
        let rest = total - at;
        let mut header = [0; HEADER_BYTES as usize];
        if rest < HEADER_BYTES {
            torn(path, at, rest, "a header of 8 bytes");
            break;
        }
        reader.read_exact(&mut header).map_err(failed)?;
        let [length, crc] = [0, 4].map(|from| le32(&header[from..]));
        if length > PAYLOAD_BYTES_MAX {
            return Err(damaged(path, at, &format!("a length of {length}")));
        }
        if rest < HEADER_BYTES + u64::from(length) {
            torn(path, at, rest, &format!("a record of {} bytes", 8 + length));
            break;
        }
        payload.resize(length as usize, 0);
        reader.read_exact(&mut payload).map_err(failed)?;
        let crc_ok = crc32(&payload) == crc;
        line.clear();
        let fits = record(&payload, (name, at, crc_ok), args, &mut line)
            .map_err(|what| damaged(path, at + HEADER_BYTES, &what))?;
        bad += u64::from(!crc_ok);
        if fits && !lines.write(&line) {
            return Ok(false);
        }
        at += HEADER_BYTES + u64::from(length);
    }
    if bad > 0 {
        let what = format!("{}: {bad} records have a wrong checksum", path.display());
        return Err(Problem::error("JRN016", what).why("they are marked crc_ok false"));
    }
    Ok(true)
}

/// Writes one record. Whether it is one that was asked for; or what is wrong with it.
fn record(
    payload: &[u8],
    (name, at, crc_ok): (Option<&str>, u64, bool),
    args: &DumpArgs,
    line: &mut Vec<u8>,
) -> Result<bool, String> {
    let mut object = Object::begin(line);
    if let Some(name) = name {
        object.text("file", name);
    }
    object.plain("off", at);
    object.plain("len", payload.len());
    object.plain("crc_ok", crc_ok);
    let mut seq = None;
    match payload {
        _ if !crc_ok => object.hex("body", payload),
        [b'{' | b'[', ..] => {
            // As it is, but on one line; what is no JSON is a text.
            match serde_json::from_slice::<&serde_json::value::RawValue>(payload) {
                Ok(json) => object.raw("json", json.get().replace(['\n', '\r'], " ").as_bytes()),
                Err(error) => return Err(format!("text that is no JSON ({error})")),
            }
        }
        [VERSION, ..] if payload.len() == EVENT_BYTES => seq = Some(event(payload, &mut object)),
        [VERSION, ..] if payload.len() == COMMAND_BYTES => {
            seq = Some(command(payload, &mut object));
        }
        [first, ..] if [EVENT_BYTES, COMMAND_BYTES].contains(&payload.len()) => {
            return Err(format!("a binary record of version {first}; known is {VERSION}"));
        }
        other => {
            return Err(format!(
                "a payload of {} bytes that is neither JSON nor known",
                other.len()
            ));
        }
    }
    object.end();
    line.push(b'\n');
    Ok(seq.is_none_or(|seq| (args.from_seq..=args.to_seq).contains(&seq)))
}

fn event(bytes: &[u8], object: &mut Object<'_>) -> u64 {
    let seq = le64(&bytes[2..]);
    object.object("event", |object| {
        object.text(
            "type",
            match bytes[1] {
                1 => "accepted",
                2 => "rejected",
                3 => "added",
                4 => "cancelled",
                5 => "trade",
                250 => "end_of_command",
                _ => "unknown",
            },
        );
        object.plain("type_id", bytes[1]);
        object.plain("seq", seq);
        object.plain("idx", u16::from_le_bytes([bytes[10], bytes[11]]));
        for (key, from) in
            [("req_id", 12), ("order_id", 20), ("user_id", 28), ("maker", 36), ("taker", 44)]
        {
            object.plain(key, le64(&bytes[from..]));
        }
        object.plain("px", le64(&bytes[52..]).cast_signed());
        object.plain("qty", le64(&bytes[60..]).cast_signed());
    });
    seq
}

fn command(bytes: &[u8], object: &mut Object<'_>) -> u64 {
    let seq = le64(&bytes[2..]);
    object.object("command", |object| {
        object.text(
            "type",
            match bytes[1] {
                1 => "submit",
                2 => "cancel",
                _ => "unknown",
            },
        );
        object.plain("type_id", bytes[1]);
        object.plain("seq", seq);
        object.plain("req_id", le64(&bytes[10..]));
        object.plain("client_ts", le64(&bytes[18..]).cast_signed());
        object.plain("order_id", le64(&bytes[26..]));
        object.plain("user_id", le64(&bytes[34..]));
        object.text(
            "side",
            match bytes[42] {
                1 => "buy",
                2 => "sell",
                _ => "none",
            },
        );
        object.plain("px", le64(&bytes[43..]).cast_signed());
        object.plain("qty", le64(&bytes[51..]).cast_signed());
        object.plain("cancel_order_id", le64(&bytes[59..]));
    });
    seq
}

fn torn(path: &Path, at: u64, rest: u64, wanted: &str) {
    talk(&format!(
        "{} ends inside a record at byte {at} ({rest} bytes of {wanted}): normal after a crash\n",
        path.display()
    ));
}

fn damaged(path: &Path, at: u64, what: &str) -> Problem {
    Problem::error("JRN016", format!("{}: at byte {at} stands {what}", path.display()))
        .why("records follow one another without marks, so what comes behind cannot be found")
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("the caller has four bytes"))
}

fn le64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("the caller has eight bytes"))
}

/// CRC-32 of IEEE 802.3, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut table = [0; 256];
    let mut nth = 0;
    while nth < 256 {
        let (mut crc, mut bit) = (nth as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[nth] = crc;
        nth += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of the catalogue of CRCs for "123456789".
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
