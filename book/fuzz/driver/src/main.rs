//! `book-fuzz`: the fuzz targets of the order book on stable Rust.

use book_fuzz::drive::{self, Drive, Failure};
use book_fuzz::target::Target;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: book-fuzz commands|snapshot|file [--seconds N | --runs N] [--seed S] [FILE...]

Without FILE, makes inputs and runs them: for 10 seconds, or as told. The same seed and number of
runs are the same inputs. An input that fails is made short and written to crash-TARGET-SEED.bin.
With FILE, runs these inputs and nothing else.";

/// Runs between two looks at the clock.
const BATCH: u64 = 64;

struct Arguments {
    target: Target,
    seconds: Option<u64>,
    runs: Option<u64>,
    seed: u64,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            let said = writeln!(io::stderr(), "error: {wrong}\n\n{USAGE}");
            said.expect("standard error is open");
            return ExitCode::from(64);
        }
    };
    // The message of a failure is printed once it is short; the thousand before it are not.
    std::panic::set_hook(Box::new(|_| {}));
    let result = if arguments.files.is_empty() {
        fuzz(&arguments, &mut out)
    } else {
        replay(&arguments, &mut out)
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}").expect("standard error is open");
            ExitCode::from(74)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let name = words.next().ok_or("no target")?;
    let target = Target::ALL.into_iter().find(|target| target.name() == name);
    let target = target.ok_or(format!("no target {name:?}"))?;
    let mut arguments = Arguments { target, seconds: None, runs: None, seed: 1, files: Vec::new() };
    while let Some(word) = words.next() {
        let number = |value: Option<String>| {
            let value = value.and_then(|value| value.parse().ok());
            value.ok_or(format!("{word} needs a number"))
        };
        match word.as_str() {
            "--seconds" => arguments.seconds = Some(number(words.next())?),
            "--runs" => arguments.runs = Some(number(words.next())?),
            "--seed" => arguments.seed = number(words.next())?,
            option if option.starts_with('-') => return Err(format!("no option {option:?}")),
            file => arguments.files.push(file.into()),
        }
    }
    Ok(arguments)
}

/// Makes inputs and runs them. Whether all held.
fn fuzz(arguments: &Arguments, out: &mut impl io::Write) -> io::Result<bool> {
    let Arguments { target, seconds, runs, seed, .. } = *arguments;
    let runs_max = runs.unwrap_or(u64::MAX);
    let seconds = seconds.or(runs.is_none().then_some(10));
    let start = Instant::now();
    let is_over = |drive: &Drive| {
        drive.runs() >= runs_max
            || drive.runs().is_multiple_of(BATCH)
                && seconds.is_some_and(|limit| start.elapsed() >= Duration::from_secs(limit))
    };
    let mut drive = Drive::new(target, seed);
    let mut failure = None;
    while failure.is_none() && !is_over(&drive) {
        failure = drive.step().err();
    }
    let (runs, (kept, marks)) = (drive.runs(), drive.kept());
    let rate = runs as f64 / start.elapsed().as_secs_f64();
    let name = target.name();
    writeln!(out, "{name}: {runs} runs, {rate:.0}/s, {kept} kept, {marks} marks, seed {seed}")?;
    let Some(failure) = failure else { return Ok(true) };
    let path = format!("crash-{name}-{seed}.bin");
    std::fs::write(&path, &failure.input)?;
    report(target, &path, &failure, out)?;
    Ok(false)
}

/// Runs inputs from files. Whether all held.
fn replay(arguments: &Arguments, out: &mut impl io::Write) -> io::Result<bool> {
    let mut all_held = true;
    for path in &arguments.files {
        let input = std::fs::read(path)?;
        match drive::run(arguments.target, &input) {
            Ok(_) => writeln!(out, "{}: holds", path.display())?,
            Err(failure) => {
                all_held = false;
                report(arguments.target, &path.display().to_string(), &failure, out)?;
            }
        }
    }
    Ok(all_held)
}

fn report(
    target: Target,
    path: &str,
    failure: &Failure,
    out: &mut impl io::Write,
) -> io::Result<()> {
    writeln!(out, "{path}: {}\n{}", failure.message, target.explain(&failure.input))
}
