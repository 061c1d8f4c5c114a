//! What fio says of the same pattern on the same disk, in the same run.
//!
//! With `fdatasync=1` fio times the write and the sync apart: the sum of the two quantiles is printed,
//! which at p99 is not below the quantile of the sum unless the two are slow together. With
//! `sync=dsync` one time covers both.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use persist::ring::Flush;
use serde::Serialize;
use serde_json::Value;

use super::failure::BenchError;
use super::plan::{Plan, form_name};
use crate::cli::bench::quantiles::{Quantiles, median, turns};

/// Writes of one start.
const WRITES: u64 = 2000;
/// Bytes of the file that is overwritten.
const FILE_BYTES: u64 = 16 << 20;

/// What fio said of one form.
#[derive(Clone, Serialize, Debug)]
pub(super) struct FioRow {
    pub(super) flush: &'static str,
    #[serde(flatten)]
    pub(super) times: Quantiles,
    /// Of write and flush together, from fio's count a second.
    pub(super) mean_ns: f64,
}

/// What there is of fio.
#[derive(Clone, Serialize, Debug)]
#[serde(untagged)]
pub(super) enum Fio {
    Rows(Vec<FioRow>),
    /// Why there is nothing.
    Absent(String),
}

/// Runs fio in each round, for each form.
pub(super) fn measure(plan: &Plan, dir: &Path) -> Result<Fio, BenchError> {
    let mut rounds = vec![Vec::new(); plan.forms.len()];
    for round in 0..plan.rounds {
        plan.say(&format!("fio: round {} of {}", round + 1, plan.rounds));
        for index in turns(plan.forms.len(), round) {
            plan.go_on()?;
            match run(dir, plan.forms[index], WRITES.min(plan.records)) {
                Ok(found) => rounds[index].push(found),
                Err(why) => return Ok(Fio::Absent(why)),
            }
        }
    }
    let row = |(form, rounds): (&Flush, &Vec<(Quantiles, f64)>)| {
        let times: Vec<Quantiles> = rounds.iter().map(|(times, _)| *times).collect();
        let times = Quantiles::over(&times).ok_or(BenchError::Nothing)?;
        let mean_ns = median(rounds.iter().map(|(_, mean)| *mean));
        Ok(FioRow { flush: form_name(*form), times, mean_ns })
    };
    plan.forms.iter().zip(&rounds).map(row).collect::<Result<_, _>>().map(Fio::Rows)
}

fn run(dir: &Path, form: Flush, writes: u64) -> Result<(Quantiles, f64), String> {
    let mut fio = Command::new("fio");
    fio.args(["--name=corelane", "--filename=fio.tmp", "--rw=write", "--bs=4k", "--direct=1"])
        .args(["--ioengine=psync", "--iodepth=1", "--overwrite=1", "--output-format=json"])
        .args(["--percentile_list=50:99:99.9"])
        .arg(format!("--size={FILE_BYTES}"))
        .arg(format!("--number_ios={writes}"))
        .arg(match form {
            Flush::Linked => "--fdatasync=1",
            Flush::Dsync => "--sync=dsync",
        });
    let ended = fio.current_dir(dir).stdin(Stdio::null()).output().map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            "fio is not installed: apt-get install fio".to_owned()
        } else {
            format!("fio cannot be started: {error}")
        }
    })?;
    if !ended.status.success() {
        let text = String::from_utf8_lossy(&ended.stderr);
        return Err(format!("fio failed: {}", text.lines().next().unwrap_or("it said nothing")));
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    understood(&text, form).ok_or_else(|| "fio printed something that is not known here".to_owned())
}

/// Reads fio's JSON. It may be preceded by lines of talk.
fn understood(text: &str, form: Flush) -> Option<(Quantiles, f64)> {
    let json: Value = serde_json::from_str(&text[text.find('{')?..]).ok()?;
    let job = json.get("jobs")?.get(0)?;
    let write = job.get("write")?;
    let mut times = quantiles(write.get("clat_ns")?)?;
    if form == Flush::Linked {
        let sync = quantiles(job.get("sync")?.get("lat_ns")?)?;
        times.p50_ns += sync.p50_ns;
        times.p99_ns += sync.p99_ns;
        times.p999_ns += sync.p999_ns;
        times.max_ns += sync.max_ns;
    }
    Some((times, 1e9 / write.get("iops")?.as_f64()?))
}

fn quantiles(times: &Value) -> Option<Quantiles> {
    let of = |name: &str| times.get("percentile")?.get(name)?.as_u64();
    Some(Quantiles {
        samples: times.get("N")?.as_u64()?,
        p50_ns: of("50.000000")?,
        p99_ns: of("99.000000")?,
        p999_ns: of("99.900000")?,
        max_ns: times.get("max")?.as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_and_sync_are_added_and_a_synced_write_stands_alone() {
        let times = |base: u64| {
            format!(
                r#"{{"max": {}, "N": 300, "percentile": {{"50.000000": {}, "99.000000": {}, "99.900000": {}}}}}"#,
                base + 4,
                base + 1,
                base + 2,
                base + 3
            )
        };
        let text = format!(
            r#"note: something{}{{"jobs": [{{"write": {{"iops": 10000.0, "clat_ns": {}}}, "sync": {{"lat_ns": {}}}}}]}}"#,
            "\n",
            times(100),
            times(50)
        );
        let (linked, mean) = understood(&text, Flush::Linked).expect("as fio prints it");
        assert_eq!(
            (linked.p50_ns, linked.p99_ns, linked.max_ns, linked.samples),
            (152, 154, 158, 300)
        );
        assert_eq!(mean, 100_000.0);
        let (dsync, _) = understood(&text, Flush::Dsync).expect("as fio prints it");
        assert_eq!((dsync.p50_ns, dsync.p999_ns), (101, 103));
        assert!(understood("nothing", Flush::Linked).is_none());
        assert!(understood("{\"jobs\": []}", Flush::Linked).is_none());
    }
}
