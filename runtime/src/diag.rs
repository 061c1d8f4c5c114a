//! What corelane says when something is wrong: what happened, where, why as measured, the shortest
//! fix.
//!
//! A [`Problem`] is a value. It is made where the fact is known, collected in [`Problems`] so that
//! all of them are reported at once, and turned into text or an exit code by whoever owns the
//! process. Nothing here prints, except [`Problems::print`], which writes to standard error and
//! nowhere else.

mod codes;
mod render;
mod whereabouts;

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use rustix::io::Errno;

pub use codes::{CODES, CodeRow, exit_codes, explain};
pub(crate) use whereabouts::whereabouts;

/// How the process ends. The numbers are those of `sysexits.h` where one fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0: done, and every check held.
    Success,
    /// 1: a check or a run failed.
    Failed,
    /// 2: the command line was not understood.
    Usage,
    /// 69: an upstream, a port or a facility of this host is not available.
    Unavailable,
    /// 73: a file or directory could not be created.
    CannotCreate,
    /// 74: reading or writing failed.
    Io,
    /// 78: the configuration is wrong.
    Config,
}

impl Exit {
    /// Every way to end, in ascending order of its number.
    pub const ALL: [Exit; 7] = [
        Exit::Success,
        Exit::Failed,
        Exit::Usage,
        Exit::Unavailable,
        Exit::CannotCreate,
        Exit::Io,
        Exit::Config,
    ];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::CannotCreate => 73,
            Exit::Io => 74,
            Exit::Config => 78,
        }
    }

    /// One phrase that says when this number is used.
    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Success => "done, and every check held",
            Exit::Failed => "a check or a run failed",
            Exit::Usage => "the command line was not understood",
            Exit::Unavailable => "an upstream, a port or a facility of this host is not available",
            Exit::CannotCreate => "a file or directory could not be created",
            Exit::Io => "reading or writing failed",
            Exit::Config => "the configuration is wrong",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Whether the program can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and the user should know.
    Warning,
}

/// A place in a source line, and what is to be said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// Line number from 1; 0 where the source has no lines (a variable, a flag).
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// Characters to underline; up to 1 is drawn as a pointer.
    pub width: usize,
    /// The whole source line.
    pub text: String,
    /// What stands behind the underline.
    pub label: String,
}

/// One or more places of one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    /// File name as the user gave it, or `environment`, or `command line`.
    pub source: String,
    /// Places in ascending order.
    pub spots: Vec<Spot>,
}

impl Excerpt {
    /// A place in one line: source, line, column, and the words meant.
    fn place(&self, spot: &Spot) -> String {
        /// Longer words are known by their beginning.
        const WORDS_MAX: usize = 60;
        let at = match spot.line {
            0 => self.source.clone(),
            line => format!("{}:{line}:{}", self.source, spot.column),
        };
        let chars = spot.text.chars().skip(spot.column.saturating_sub(1));
        let words: String = chars.take(spot.width.min(WORDS_MAX)).collect();
        if words.trim().is_empty() { at } else { format!("{at} {words:?}") }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Key of [`CODES`], for example `CFG002`.
    pub code: &'static str,
    /// Whether the program can go on.
    pub severity: Severity,
    /// What happened, in one line.
    pub what: String,
    /// Where, when it can be shown in a source text.
    pub where_: Option<Box<Excerpt>>,
    /// Why, as measured: whole lines.
    pub why: Vec<String>,
    /// Ways out, the shortest first.
    pub fix: Vec<String>,
}

impl Problem {
    /// A problem that stops the program.
    pub fn error(code: &'static str, what: impl Into<String>) -> Problem {
        Problem {
            code,
            severity: Severity::Error,
            what: without_errno(what.into()),
            where_: None,
            why: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// A problem that does not stop the program.
    pub fn warning(code: &'static str, what: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(code, what) }
    }

    /// Shows the place.
    #[must_use]
    pub fn at(mut self, excerpt: Excerpt) -> Problem {
        self.where_ = Some(Box::new(excerpt));
        self
    }

    /// Adds a line to the reason.
    #[must_use]
    pub fn why(mut self, line: impl Into<String>) -> Problem {
        self.why.push(without_errno(line.into()));
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn fix(mut self, line: impl Into<String>) -> Problem {
        self.fix.push(line.into());
        self
    }

    /// The exit code that belongs to this problem when it stops the program.
    pub fn exit(&self) -> Exit {
        codes::row(self.code).map_or(Exit::Failed, |row| row.exit)
    }

    /// The whole problem as text of several lines, with colours if `colour`.
    pub fn render(&self, colour: bool) -> String {
        render::problem(self, colour)
    }

    /// The problem in one line, for logs: what, where with the words meant instead of an excerpt, why and fix, joined by
    /// a dot.
    pub fn one_line(&self) -> String {
        let places = self.where_.iter().flat_map(|excerpt| {
            excerpt.spots.iter().flat_map(|spot| [excerpt.place(spot), spot.label.clone()])
        });
        let parts: Vec<String> = std::iter::once(self.what.clone())
            .chain(places)
            .chain(self.why.iter().chain(&self.fix).cloned())
            .filter(|part| !part.is_empty())
            .collect();
        format!("{}[{}]: {}", render::severity_word(self.severity), self.code, parts.join(" · "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Problem {}

/// Everything that was found wrong, in the order found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None so far.
    pub const fn new() -> Problems {
        Problems(Vec::new())
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// True if nothing was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if one of them stops the program.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|p| p.severity == Severity::Error)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Puts errors before warnings, each group in the order found.
    pub fn errors_first(&mut self) {
        self.0.sort_by_key(|p| p.severity != Severity::Error);
    }

    /// The exit code of the first error; success if there is none.
    pub fn exit(&self) -> Exit {
        let first = self.0.iter().find(|p| p.severity == Severity::Error);
        first.map_or(Exit::Success, Problem::exit)
    }

    /// All of them as text, a blank line between two, and where to read more.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        let mut codes: Vec<&str> = Vec::new();
        for problem in &self.0 {
            out.push_str(&problem.render(colour));
            out.push('\n');
            if !codes.contains(&problem.code) {
                codes.push(problem.code);
            }
        }
        if !codes.is_empty() {
            out.push_str(&format!("more: corelane explain {}\n", codes.join(" ")));
        }
        out
    }

    /// Writes [`render`](Problems::render) to standard error, in colour where that is a terminal.
    ///
    /// A standard error that cannot be written to leaves nobody to tell: the failure is dropped.
    pub fn print(&self) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(self.render(colour_wanted()).as_bytes());
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Problems {}

/// True if standard error is a terminal and `NO_COLOR` is unset or empty (<https://no-color.org>).
pub fn colour_wanted() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && io::stderr().is_terminal()
}

/// The text without the `(os error N)` that errors of libraries carry: the words before it say the same.
fn without_errno(mut text: String) -> String {
    const MARK: &str = " (os error ";
    while let Some(start) = text.find(MARK) {
        let Some(len) = text[start..].find(')') else { break };
        text.replace_range(start..=start + len, "");
    }
    text
}

/// What the operating system refused, in words and without a number.
///
/// The kinds that a user can mend have a sentence of their own; the rest is the system's text with
/// the `(os error N)` that the standard library appends cut off.
pub fn reason(error: &io::Error) -> String {
    let known = match errno(error) {
        Some(Errno::ACCESS) => "permission denied for this user",
        Some(Errno::PERM) => "the system does not allow it (EPERM)",
        Some(Errno::NOSPC) => "no space left on this file system",
        Some(Errno::DQUOT) => "the disk quota of this user is used up",
        Some(Errno::ROFS) => "the file system is mounted read-only",
        Some(Errno::NOTDIR) => "a part of the path is a file, not a directory",
        Some(Errno::ISDIR) => "it is a directory, not a file",
        Some(Errno::NOENT) => "it does not exist",
        Some(Errno::MFILE) => "this process has too many open files (see ulimit -n)",
        Some(Errno::NFILE) => "this host has too many open files (see fs.file-max)",
        Some(Errno::NAMETOOLONG) => "the name is too long",
        Some(Errno::LOOP) => "the path is a loop of symbolic links",
        Some(Errno::IO) => "the device reported an input/output error",
        Some(Errno::NOMEM) => "the kernel has no memory for it, or the memlock limit is reached",
        Some(Errno::NOSYS) => "this kernel does not have the call, or a filter hides it",
        Some(Errno::ADDRINUSE) => "the address is in use",
        Some(Errno::ADDRNOTAVAIL) => "this host does not have that address",
        Some(Errno::CONNREFUSED) => "connection refused: nothing listens there",
        Some(Errno::TIMEDOUT) => "no answer in time",
        Some(Errno::NETUNREACH) => "there is no route to that network",
        Some(Errno::HOSTUNREACH) => "there is no route to that host",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// The system's number, or the usual one of that kind where a library has wrapped the error and hides the
/// number, as `tempfile` does to add a path.
fn errno(error: &io::Error) -> Option<Errno> {
    if let Some(number) = error.raw_os_error() {
        return Some(Errno::from_raw_os_error(number));
    }
    // An error without anything inside, or with a text of its own, is not the system's.
    if !error.to_string().contains("(os error") {
        return None;
    }
    Some(match error.kind() {
        ErrorKind::PermissionDenied => Errno::ACCESS,
        ErrorKind::StorageFull => Errno::NOSPC,
        ErrorKind::QuotaExceeded => Errno::DQUOT,
        ErrorKind::ReadOnlyFilesystem => Errno::ROFS,
        ErrorKind::NotADirectory => Errno::NOTDIR,
        ErrorKind::IsADirectory => Errno::ISDIR,
        ErrorKind::NotFound => Errno::NOENT,
        ErrorKind::InvalidFilename => Errno::NAMETOOLONG,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
