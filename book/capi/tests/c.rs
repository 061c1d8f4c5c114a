//! Programs in C against the library of this build: the header holds what it says, in C99 and in
//! C++, linked statically and dynamically.
//!
//! Needs the system's `cc`, and `c++` for the tests of C++; says loudly what it skipped without
//! them. The library is built by the same cargo, with the profile and the target of this test, so
//! that it is never an older one; cargo finds nothing to do when the tests were built before.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// Where programs go: cargo's folder for the files of tests.
const TMP: &str = env!("CARGO_TARGET_TMPDIR");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Static,
    Dynamic,
}

/// The two libraries: static and dynamic.
fn libraries() -> &'static [PathBuf; 2] {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = std::env::current_exe().expect("a running program has a path");
        let profile = program.parent().and_then(Path::parent).expect("it is in PROFILE/deps");
        let target_dir = Path::new(TMP).parent().expect("it is a folder of the target folder");
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let profile_name = name(profile).expect("named after the profile");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--offline", "--package", "book-capi", "--lib"]);
        cargo.args(["--message-format", "json-render-diagnostics"]);
        cargo.arg("--target-dir").arg(target_dir).current_dir(CRATE);
        match profile_name.as_str() {
            "debug" => cargo.args(["--profile", "dev"]),
            other => cargo.args(["--profile", other]),
        };
        // A build with --target has the target's folder in between.
        let above = profile.parent().expect("a profile is a folder of something");
        if above != target_dir && above.parent() == Some(target_dir) {
            cargo.arg("--target").arg(name(above).expect("named after the target"));
        }
        let built = cargo.output().expect("cargo started this test");
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{cargo:?} failed:\n{errors}");
        let said = String::from_utf8(built.stdout).expect("JSON is UTF-8");
        ["libcorelane_book.a", DYNAMIC].map(|name| {
            // File names are strings of their own in cargo's messages.
            let path = said.split('"').find(|text| text.ends_with(name));
            PathBuf::from(path.unwrap_or_else(|| panic!("cargo names no {name}:\n{said}")))
        })
    })
}

const DYNAMIC: &str =
    if cfg!(target_os = "macos") { "libcorelane_book.dylib" } else { "libcorelane_book.so" };

/// A compiler, if the system has it.
fn compiler(name: &'static str) -> Option<&'static str> {
    let there = Command::new(name).arg("--version").output();
    if there.is_ok_and(|version| version.status.success()) {
        return Some(name);
    }
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: no {name} here, so nothing was tested from that language")
        .expect("standard error is open");
    None
}

/// Compiles and links a program. `None`, said loudly, without a compiler.
fn build(
    source: &Path,
    compiler_name: &'static str,
    flags: &[&str],
    link: Link,
) -> Option<PathBuf> {
    let compiler = compiler(compiler_name)?;
    let [static_library, dynamic_library] = libraries();
    let stem = source.file_stem().and_then(|stem| stem.to_str()).expect("a source has a name");
    let kind = if link == Link::Static { "static" } else { "dynamic" };
    let program = Path::new(TMP).join(format!("{stem}-{compiler_name}-{kind}"));
    let mut command = Command::new(compiler);
    command.args(flags).args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-g"]);
    command.arg("-I").arg(format!("{CRATE}/include")).arg("-I").arg(format!("{CRATE}/tests/c"));
    command.arg(source);
    match link {
        Link::Static => {
            command.arg(static_library).args(["-lpthread", "-ldl", "-lm"]);
        }
        Link::Dynamic => {
            let folder = dynamic_library.parent().expect("a file is in a folder");
            command.arg("-L").arg(folder).arg("-lcorelane_book");
            command.arg(format!("-Wl,-rpath,{}", folder.display()));
        }
    }
    let compiled = command.arg("-o").arg(&program).output().expect("the compiler was there");
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{command:?}:\n{errors}");
    Some(program)
}

/// Runs a program and gives what it printed.
fn run(program: &Path, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output().expect("it was just built");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{} {arguments:?}: {}\n{errors}", program.display(), ran.status);
    String::from_utf8(ran.stdout).expect("the programs print ASCII")
}

fn source(name: &str) -> PathBuf {
    Path::new(CRATE).join("tests/c").join(name)
}

const C99: &[&str] = &["-std=c99"];

/// Builds and runs a program of checks.
fn checks(name: &str, compiler: &'static str, flags: &[&str], link: Link) {
    let Some(program) = build(&source(name), compiler, flags, link) else { return };
    let said = run(&program, &[]);
    let count = said.strip_suffix(" checks\n").and_then(|count| count.parse().ok());
    assert!(count > Some(0_u64), "{name} checked nothing: {said}");
}

#[test]
fn structs_lie_as_the_library_lays_them() {
    checks("layout.c", "cc", C99, Link::Static);
}

#[test]
fn the_header_is_cpp_too() {
    checks("layout.c", "c++", &["-x", "c++", "-std=c++11"], Link::Dynamic);
}

#[test]
fn orders_trade_and_wrong_calls_do_nothing() {
    checks("trading.c", "cc", C99, Link::Static);
    checks("trading.c", "cc", C99, Link::Dynamic);
}

#[test]
fn terms_phases_and_snapshots_are_there() {
    checks("terms.c", "cc", C99, Link::Static);
}

#[test]
fn the_example_of_the_readme_runs() {
    let readme = fs::read_to_string(format!("{CRATE}/README.md")).expect("the README is there");
    let example = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next());
    let path = Path::new(TMP).join("readme.c");
    fs::write(&path, example.expect("it has an example in C")).expect("a folder for files");
    let Some(program) = build(&path, "cc", C99, Link::Dynamic) else { return };
    let printed = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(Some(run(&program, &[]).as_str()), printed);
}

/// A command file that meets every operation and every outcome a short record can have.
fn command_file(stp: u8, count: u64) -> Vec<u8> {
    let mut bytes = b"MECMD01\0".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(32_u32.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend([stp, 0, 0, 0]);
    bytes.extend([0; 28]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 + u64::from(stp);
    // A draw below `bound`, of a xorshift generator.
    let mut draw = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    for _ in 0..count {
        let op = [1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 6][draw(11) as usize];
        let (side, tif, market) = (draw(2), [0, 0, 0, 1, 2, 3][draw(6) as usize], draw(8) / 7);
        let side = if draw(99) == 0 { 2 } else { side };
        bytes.extend([op, side as u8, tif, market as u8]);
        bytes.extend((draw(5) as u32).to_le_bytes());
        bytes.extend(draw(300).to_le_bytes());
        bytes.extend((90 + draw(20) as i64).to_le_bytes());
        bytes.extend(draw(9).to_le_bytes());
    }
    bytes
}

/// The command files of the shared folder, if it is there.
fn shared_files() -> Vec<PathBuf> {
    let shared = std::env::var_os("CORELANE_SHARED")
        .map_or_else(|| Path::new(CRATE).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/matching");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("skipped: no command files in {}", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "bin")).collect()
}

#[test]
fn command_files_give_the_line_that_rust_gives() {
    let Some(program) = build(&source("records.c"), "cc", C99, Link::Static) else { return };
    let own = (0..5).map(|stp| {
        let path = Path::new(TMP).join(format!("stp{stp}.bin"));
        fs::write(&path, command_file(stp, 4000)).expect("a folder for files");
        path
    });
    for path in own.chain(shared_files()) {
        let bytes = fs::read(&path).expect("it is there");
        let report = book::exec::run(&bytes).expect("a command file");
        assert!(report.trades > 0 && report.rejects > 0, "{} is too tame", path.display());
        let path = path.to_str().expect("a path in UTF-8");
        for arguments in [&[path][..], &[path, "all"]] {
            assert_eq!(run(&program, arguments).trim_end(), report.to_json_line(), "{path}");
        }
    }
}
