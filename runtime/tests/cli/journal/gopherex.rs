//! The files of the Go engine, by the layout in its sources.

use std::fs;
use std::path::Path;

use super::{arg, lines, run, says};
use crate::directory;

/// A record of the Go engine.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    let crc = !payload.iter().fold(!0_u32, |crc, byte| {
        let fold = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), fold)
    });
    [&(payload.len() as u32).to_le_bytes()[..], &crc.to_le_bytes(), payload].concat()
}

#[test]
fn files_of_gopherex_are_read() {
    let dir = directory();
    let mut event = vec![1, 5];
    event.extend(7_u64.to_le_bytes());
    event.extend(2_u16.to_le_bytes());
    for field in [11, 12, 13, 14, 15_u64] {
        event.extend(field.to_le_bytes());
    }
    event.extend((-100_i64).to_le_bytes());
    event.extend(3_i64.to_le_bytes());
    assert_eq!(event.len(), 68);
    let mut command = vec![1, 2];
    for field in [8, 21, 22, 23, 24_u64] {
        command.extend(field.to_le_bytes());
    }
    command.push(2);
    for field in [50, 60, 70_u64] {
        command.extend(field.to_le_bytes());
    }
    assert_eq!(command.len(), 67);
    let good = [frame(b"{\"v\":1,\n\"seq\":9}"), frame(&event), frame(&command)].concat();
    let path = dir.path().join("BTCUSDT.ev.wal");
    let dump = |bytes: &[u8], path: &Path| {
        fs::write(dir.path().join("BTCUSDT.ev.wal"), bytes).expect("written");
        run(&["journal", "dump", "--format", "gopherex", arg(path)])
    };
    for (cut, torn) in [(0, ""), (5, "ends inside a record at byte")] {
        let ended = dump(&[&good[..], &frame(b"[]")[..cut]].concat(), &path);
        says(&ended, 0, &[torn]);
        let lines = lines(&ended);
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["json"]["seq"], &lines[0]["off"]), (&9.into(), &0.into()));
        let event = &lines[1]["event"];
        assert_eq!(
            (&event["type"], &event["seq"], &event["idx"]),
            (&"trade".into(), &7.into(), &2.into())
        );
        assert_eq!(
            (&event["maker"], &event["px"], &event["qty"]),
            (&14.into(), &(-100).into(), &3.into())
        );
        let command = &lines[2]["command"];
        assert_eq!((&command["type"], &command["side"]), (&"cancel".into(), &"sell".into()));
        assert_eq!((&command["px"], &command["cancel_order_id"]), (&50.into(), &70.into()));
    }
    let mut bad = good.clone();
    bad[30] ^= 1;
    let ended = dump(&bad, dir.path());
    says(&ended, 1, &["JRN016", "1 records have a wrong checksum"]);
    assert_eq!(lines(&ended)[1]["crc_ok"], false);
    let huge = [&good[..], &[0xFF; 40]].concat();
    says(&dump(&huge, &path), 1, &["JRN016", &format!("at byte {}", good.len())]);
    let strange = [&good[..], &frame(b"\x07abc")].concat();
    says(&dump(&strange, &path), 1, &["JRN016", "4 bytes that is neither JSON nor known"]);
    says(&run(&["journal", "dump", "--format", "gopherex", "/nowhere"]), 74, &["JRN001"]);
}
