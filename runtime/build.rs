//! Puts into the binary how it was built: commit, compiler, target, profile (`corelane version`).
//!
//! Never fails: without git, outside of a repository or in somebody else's, the commit is
//! `unknown`. Whether the working tree was clean is not said: it would have to be asked at each
//! build, and would rebuild the binary each time.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    tell("COMMIT", commit());
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    tell("RUSTC", first_line(&rustc, &["--version"]));
    tell("TARGET", env::var("TARGET").ok());
    tell("PROFILE", profile());
}

fn tell(name: &str, value: Option<String>) {
    println!("cargo::rustc-env=CORELANE_BUILD_{name}={}", value.as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out, and a rebuild when that changes.
fn commit() -> Option<String> {
    let root = env::var("CARGO_MANIFEST_DIR").ok()?;
    let root = Path::new(&root).parent()?;
    let git = |args: &[&str]| {
        let directory = root.to_str()?;
        first_line("git", &[&["-C", directory], args].concat())
    };
    // A source archive unpacked inside of another repository must not take that one's commit.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // HEAD changes when a branch is checked out, its log with every commit; where there is no log,
    // the branch and the packed branches.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", "logs/HEAD", branch.as_str(), "packed-refs"] {
        let Some(path) = git(&["rev-parse", "--git-path", name]) else { continue };
        let path = root.join(path);
        if path.is_file() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// The profile's own name: the PROFILE variable says `release` for everything that inherits from it.
fn profile() -> Option<String> {
    // OUT_DIR is target/[TRIPLE/]PROFILE/build/PACKAGE-HASH/out.
    let out = env::var("OUT_DIR").ok()?;
    let folder = Path::new(&out).ancestors().nth(3)?.file_name()?;
    folder.to_str().map(str::to_owned)
}

/// The first line that a program prints, if it can be run and succeeds.
fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
