//! Every target for a bounded number of runs, from fixed seeds; longer by the driver, `book-fuzz`.

use book_fuzz::drive::Drive;
use book_fuzz::target::Target;

/// Runs a target. Returns how many inputs were kept, and how many marks they showed.
#[track_caller]
fn holds(target: Target, seed: u64, runs: u64) -> (usize, u32) {
    let mut drive = Drive::new(target, seed);
    while drive.runs() < runs {
        if let Err(failure) = drive.step() {
            let (name, run) = (target.name(), drive.runs());
            let meaning = target.explain(&failure.input);
            panic!("{name}, seed {seed}, run {run}: {}\n{meaning}", failure.message);
        }
    }
    drive.kept()
}

#[test]
fn commands_hold() {
    let (kept, marks) = holds(Target::Commands, 1, 1000);
    assert!(kept > 80 && marks > 200, "{kept} inputs kept, {marks} marks: hardly anything shown");
}

#[test]
fn snapshots_hold() {
    let (kept, marks) = holds(Target::Snapshot, 1, 6000);
    assert!(kept > 50 && marks > 50, "{kept} inputs kept, {marks} marks: hardly anything shown");
}

#[test]
fn files_hold() {
    let (kept, marks) = holds(Target::File, 1, 1200);
    assert!(kept > 50 && marks > 50, "{kept} inputs kept, {marks} marks: hardly anything shown");
}
