//! The rules of the house that no compiler knows: dependency edges, file sizes, words that must not
//! stay.
//!
//! A rule is a function from the files to the places that break it, so that each rule can show that
//! it would notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates, by their folders, may use which: the table of DESIGN section 2.
const EDGES: &[(&str, &[&str])] = &[
    ("book", &[]),
    ("book/capi", &["book"]),
    ("book/fuzz/driver", &["book"]),
    ("shards", &["book"]),
    ("persist", &[]),
    ("net", &["shards"]),
    ("runtime", &["book", "shards", "persist", "net"]),
    ("benches", &["book", "shards", "persist", "net", "runtime"]),
];

/// Lines of one file.
const FILE_LINES_MAX: usize = 800;

/// The one file outside of `runtime/` that may hold `unsafe`: it builds ring entries.
const UNSAFE_FILE: &str = "persist/src/ring.rs";

/// Endings of type names that say nothing.
const EMPTY_NAMES: [&str; 9] =
    ["Manager", "Helper", "Util", "Utils", "Processor", "Handler", "Info", "Data", "Context"];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the crate is a folder of the workspace").to_path_buf()
}

/// A Rust file of the workspace: path from the root, and text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The line number from which on the file is tests.
    fn tests_from(&self) -> usize {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return 0;
        }
        let at = self.text.lines().position(|line| line.starts_with("#[cfg(test)]"));
        at.unwrap_or(usize::MAX)
    }

    /// Lines that hold `word` in code: what follows `//` does not count.
    fn lines_with<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let code =
            move |line: &str| line.split("//").next().is_some_and(|code| code.contains(word));
        self.text.lines().enumerate().filter(move |(_, line)| code(line)).map(|(at, _)| at)
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{}", self.path, line + 1)
    }
}

fn sources() -> Vec<Source> {
    fn visit(root: &Path, dir: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                visit(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("Rust files are text");
                let path = path.strip_prefix(root).expect("below the root");
                found.push(Source { path: path.display().to_string(), text });
            }
        }
    }
    let mut found = Vec::new();
    for (name, _) in EDGES {
        let folder = root().join(name);
        for part in ["src", "tests", "benches"].map(|part| folder.join(part)) {
            if part.is_dir() {
                visit(&root(), &part, &mut found);
            }
        }
    }
    assert!(found.len() > EDGES.len(), "the files were not found");
    found
}

#[track_caller]
fn none(places: Vec<String>, rule: &str) {
    assert!(places.is_empty(), "{rule}:\n  {}", places.join("\n  "));
}

/// Names of our crates that a manifest depends on, outside of tests.
fn edges(manifest: &str) -> BTreeSet<String> {
    let table: toml::Table = manifest.parse().expect("a manifest is TOML");
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|kind| table.get(*kind)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .filter(|name| EDGES.iter().any(|(ours, _)| ours == name))
        .collect()
}

#[test]
fn crates_depend_only_where_the_design_says_so() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let workspace: toml::Table = workspace.parse().expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    let members: BTreeSet<_> = members.iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(members, EDGES.iter().map(|(name, _)| *name).collect());
    for (name, allowed) in EDGES {
        let manifest =
            fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        for used in edges(&manifest) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn the_edge_test_sees_every_kind_of_dependency() {
    let manifest = "[dependencies]\nbook.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies]\nnet = { path = \"../net\" }\n";
    assert_eq!(edges(manifest).into_iter().collect::<Vec<_>>(), ["book", "net"]);
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_is() {
    let mut places = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            places.push(format!("{}: {lines} lines", source.path));
        }
        if !source.text.starts_with("//!") {
            places.push(format!("{}: does not begin with //!", source.path));
        }
    }
    none(places, "files have a purpose, stated first, and at most 800 lines");
}

/// Places with words that must not stay. The words are put together here, so that this file passes.
fn leftovers(source: &Source) -> Vec<String> {
    let mut places = Vec::new();
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        let in_text = source.text.lines().enumerate().filter(|(_, line)| line.contains(word));
        places.extend(in_text.map(|(at, _)| format!("{} {word}", source.place(at))));
    }
    for word in [concat!(".unw", "rap()"), concat!("#[ig", "nore")] {
        places.extend(source.lines_with(word).map(|at| format!("{} {word}", source.place(at))));
    }
    let word = concat!("thread::sl", "eep");
    let in_tests = source.lines_with(word).filter(|at| *at >= source.tests_from());
    places.extend(in_tests.map(|at| format!("{} {word} in a test", source.place(at))));
    places
}

#[test]
fn nothing_is_left_for_later() {
    none(sources().iter().flat_map(leftovers).collect(), "finish it, or leave it out");
}

#[test]
fn the_search_for_leftovers_finds_them() {
    let text = concat!(
        "//! x\n// TO",
        "DO: later\nlet a = b.unw",
        "rap();\nstd::thread::sl",
        "eep(d);\n",
        "#[cfg(test)]\nmod tests {\n#[ig",
        "nore]\nthread::sl",
        "eep(d);\n// .unw",
        "rap() in a comment\n}\n"
    );
    let source = Source { path: "book/src/x.rs".into(), text: text.into() };
    let places = leftovers(&source);
    let lines: Vec<_> =
        places.iter().map(|place| &place[..place.find(' ').expect("a blank")]).collect();
    let expect = ["book/src/x.rs:2", "book/src/x.rs:3", "book/src/x.rs:7", "book/src/x.rs:8"];
    assert_eq!(lines, expect);
}

#[test]
fn unsafe_is_only_where_it_may_be() {
    let mut places = Vec::new();
    for source in sources() {
        // A test that counts allocations is an allocator, which is unsafe by its trait.
        let counts = source.path.ends_with("/tests/allocations.rs");
        let ring = source.path == UNSAFE_FILE || source.path == "persist/src/ring/tests.rs";
        // The C interface follows the pointers of its caller.
        let capi = source.path.starts_with("book/capi/");
        if source.path.starts_with("runtime/") || ring || counts || capi {
            continue;
        }
        for word in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"] {
            places.extend(source.lines_with(word).map(|at| source.place(at)));
        }
    }
    none(places, "unsafe lives in runtime/, book/capi/ and persist/src/ring.rs");
}

#[test]
fn types_are_named_after_what_they_are() {
    let mut places = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let defines = words.any(|word| matches!(word, "struct" | "enum" | "trait"));
            let name = words.next().unwrap_or("");
            let code = !line.trim_start().starts_with("//");
            if code && defines && EMPTY_NAMES.iter().any(|ending| name.ends_with(ending)) {
                places.push(format!("{} {name}", source.place(at)));
            }
        }
    }
    none(places, "these names say nothing");
}

#[test]
fn each_dependency_has_a_reason_in_the_architecture() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let dependencies = manifest["workspace"]["dependencies"].as_table().expect("dependencies");
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let missing = dependencies
        .keys()
        .filter(|name| EDGES.iter().all(|(ours, _)| ours != name))
        .filter(|name| !text.contains(&format!("`{name}`")))
        .cloned()
        .collect();
    none(missing, "dependencies without a line in ARCHITECTURE.md");
}

/// Texts of the form `ABC123` or `AB123` in quotes.
fn quoted_codes(text: &str) -> BTreeSet<String> {
    let is_code = |word: &&str| {
        matches!(word.len(), 5 | 6) && {
            let (area, number) = word.split_at(word.len() - 3);
            area.bytes().all(|b| b.is_ascii_uppercase())
                && number.bytes().all(|b| b.is_ascii_digit())
        }
    };
    text.split('"').filter(|part| part.is_ascii()).filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_code_in_a_message_is_explained_and_every_explained_code_is_used() {
    let known: BTreeSet<String> =
        runtime::diag::CODES.iter().map(|row| row.code.to_owned()).collect();
    let mut used = BTreeSet::new();
    for source in sources().iter().filter(|source| source.path.starts_with("runtime/src/")) {
        if source.path.starts_with("runtime/src/diag/codes") {
            continue;
        }
        let code: String =
            source.text.lines().take(source.tests_from()).map(|line| format!("{line}\n")).collect();
        used.extend(quoted_codes(&code));
    }
    let lost: Vec<_> = used.difference(&known).collect();
    assert!(lost.is_empty(), "no row in diag/codes.rs: {lost:?}");
    let idle: Vec<_> = known.difference(&used).collect();
    assert!(idle.is_empty(), "explained and never used: {idle:?}");
}
