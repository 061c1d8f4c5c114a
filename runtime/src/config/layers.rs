//! Collects what was written where: file, then environment, then flags; the later one wins.
//!
//! Nothing is judged here but names: a name that no key has is a problem at once. Values stay as
//! written, with their place, until `check` looks at the one that won.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::DeTable;

use super::item::{Item, Raw};
use super::keys::{self, ENV_PREFIX, KEYS, Key, OTHER_VARIABLES, SECTIONS, SOURCE};
use super::text::SourceText;
use crate::diag::{Problem, Problems};

/// More syntax errors than this are the echo of the first.
const SYNTAX_ERRORS_MAX: usize = 5;

/// Where a value in force comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// Name as the user gave it.
        name: String,
        /// Line from 1.
        line: usize,
    },
    /// This environment variable.
    Env(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Env(name) => f.write_str(name),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

/// Which value: section, position of the `[[source]]` (0 elsewhere), name.
pub(super) type Slot = (&'static str, usize, &'static str);

/// A value as written, and where.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) key: &'static Key,
    pub(super) item: Item,
    pub(super) origin: Origin,
    /// Index into [`Layers::texts`].
    pub(super) text: usize,
}

/// All layers above the defaults.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// The texts that values point into.
    pub(super) texts: Vec<SourceText>,
    /// The value that won, by slot.
    pub(super) written: BTreeMap<Slot, Written>,
    /// Number of `[[source]]` tables in the file.
    pub(super) source_count: usize,
    /// Names that mean nothing, and texts that are not TOML.
    pub(super) problems: Problems,
}

impl Layers {
    /// Takes in the text of a file.
    pub(super) fn add_file(&mut self, name: &str, text: String) {
        self.texts.push(SourceText::file(name, text));
        let at = self.texts.len() - 1;
        let source = self.texts[at].clone();
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors.iter().take(SYNTAX_ERRORS_MAX) {
            let span = error.span().unwrap_or(0..0);
            let what = format!("{name} is not TOML");
            self.problems
                .push(Problem::error("CFG001", what).at(source.excerpt(&span, error.message())));
        }
        if !errors.is_empty() {
            return;
        }
        for (section, value) in root.get_ref() {
            let span = section.span();
            let item = Item::from_toml(value, 0);
            match SECTIONS.iter().find(|(known, _)| known == section.get_ref()) {
                Some((known, _)) if *known == SOURCE => self.add_sources(at, &span, item),
                Some((known, _)) => self.add_section(at, known, &span, item),
                None => {
                    let is_table = matches!(item.raw, Raw::Table(_) | Raw::List(_));
                    self.problems.push(unknown_section(
                        &source,
                        section.get_ref(),
                        &span,
                        is_table,
                    ));
                }
            }
        }
    }

    fn add_section(
        &mut self,
        at: usize,
        section: &'static str,
        span: &std::ops::Range<usize>,
        item: Item,
    ) {
        match item.raw {
            Raw::Table(entries) => self.add_entries(at, section, 0, entries),
            _ => {
                let what = format!("{section} has the wrong type");
                let label = format!("{}; write one table: [{section}]", item.kind_word());
                let excerpt = self.texts[at].excerpt(span, label);
                self.problems.push(Problem::error("CFG004", what).at(excerpt));
            }
        }
    }

    fn add_sources(&mut self, at: usize, span: &std::ops::Range<usize>, item: Item) {
        let word = item.kind_word();
        let tables = match item.raw {
            Raw::List(items) if items.iter().all(|i| matches!(i.raw, Raw::Table(_))) => items,
            _ => {
                let label = format!("{word}; write [[source]], with two brackets");
                let excerpt = self.texts[at].excerpt(span, label);
                let what = "source has the wrong type";
                self.problems.push(Problem::error("CFG004", what).at(excerpt));
                return;
            }
        };
        self.source_count = tables.len();
        for (index, table) in tables.into_iter().enumerate() {
            if let Raw::Table(entries) = table.raw {
                self.add_entries(at, SOURCE, index, entries);
            }
        }
    }

    fn add_entries(
        &mut self,
        at: usize,
        section: &'static str,
        index: usize,
        entries: Vec<(String, std::ops::Range<usize>, Item)>,
    ) {
        for (name, span, item) in entries {
            let source = &self.texts[at];
            let Some(key) = keys::find(section, &name) else {
                let excerpt = source.excerpt(&span, format!("not a key of [{section}]"));
                let problem = Problem::error("CFG002", "unknown key").at(excerpt);
                self.problems.push(suggest_key(problem, section, &name));
                continue;
            };
            let origin =
                Origin::File { name: source.name.clone(), line: source.position(span.start).0 };
            self.written
                .insert((key.section, index, key.name), Written { key, item, origin, text: at });
        }
    }

    /// Takes in those variables that are settings; unknown ones with the prefix are problems.
    pub(super) fn add_env(&mut self, mut env: Vec<(String, String)>, ignore_unknown: bool) {
        env.retain(|(name, _)| {
            name.starts_with(ENV_PREFIX) && !OTHER_VARIABLES.contains(&name.as_str())
        });
        env.sort();
        for (name, value) in env {
            match KEYS.iter().find(|key| key.env() == name) {
                Some(key) => {
                    let base = name.len() + 1;
                    let text = SourceText::line("environment", format!("{name}={value}"));
                    self.add_bare(key, text, base, Origin::Env(name));
                }
                None if ignore_unknown => {}
                None => self.problems.push(unknown_variable(&name)),
            }
        }
    }

    /// Takes in `section.key=value` texts, in order.
    pub(super) fn add_sets(&mut self, sets: &[String]) {
        const LEAD: &str = "--set ";
        for set in sets {
            let text = SourceText::line("command line", format!("{LEAD}{set}"));
            let Some((path, _)) = set.split_once('=') else {
                let excerpt = text.excerpt(&(LEAD.len()..text.text.len()), "no `=`");
                let problem = Problem::error("CFG011", "not a setting").at(excerpt);
                self.problems.push(problem.fix("write --set section.key=value"));
                continue;
            };
            match KEYS.iter().find(|key| key.path() == path) {
                Some(key) => self.add_bare(key, text, LEAD.len() + path.len() + 1, Origin::Flag),
                None => {
                    let span = LEAD.len()..LEAD.len() + path.len();
                    let (section, name) = path.split_once('.').unwrap_or(("", path));
                    let label = match keys::is_section(section) {
                        true => format!("not a key of [{section}]"),
                        false => "not a setting".to_owned(),
                    };
                    let problem =
                        Problem::error("CFG002", "unknown key").at(text.excerpt(&span, label));
                    self.problems.push(suggest_key(problem, section, name));
                }
            }
        }
    }

    fn add_bare(&mut self, key: &'static Key, text: SourceText, base: usize, origin: Origin) {
        if key.section == SOURCE && self.source_count > 1 {
            let label = format!("there are {} [[source]] tables", self.source_count);
            let excerpt = text.excerpt(&(0..text.text.len()), label);
            let problem = Problem::error("CFG010", format!("{}: which of them?", key.path()));
            self.problems.push(problem.at(excerpt).fix("write it into the file"));
            return;
        }
        match Item::from_bare(&text.text[base..], base, key.kind) {
            Ok(item) => {
                self.texts.push(text);
                let text = self.texts.len() - 1;
                self.written
                    .insert((key.section, 0, key.name), Written { key, item, origin, text });
            }
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let excerpt = text.excerpt(&(span.start + base..span.end + base), error.message());
                let what = format!("{} is not a TOML value", key.path());
                self.problems.push(Problem::error("CFG004", what).at(excerpt));
            }
        }
    }
}

fn suggest_key(problem: Problem, section: &str, name: &str) -> Problem {
    let own = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    if let Some(name) = keys::near(name, own) {
        return problem.fix(format!("did you mean `{name}`?"));
    }
    let full = format!("{section}.{name}");
    let paths: Vec<String> = KEYS.iter().map(Key::path).collect();
    let elsewhere = KEYS.iter().find(|key| key.name == name).map(Key::path);
    match elsewhere
        .or_else(|| keys::near(&full, paths.iter().map(String::as_str)).map(str::to_owned))
    {
        Some(path) => problem.fix(format!("did you mean `{path}`?")),
        None => problem.fix("`corelane config init` prints every key"),
    }
}

fn unknown_section(
    source: &SourceText,
    name: &str,
    span: &std::ops::Range<usize>,
    is_table: bool,
) -> Problem {
    if !is_table {
        let label = "every key stands in a table, for example [node]";
        let problem = Problem::error("CFG002", "unknown key").at(source.excerpt(span, label));
        return suggest_key(problem, "", name);
    }
    let problem =
        Problem::error("CFG002", "unknown section").at(source.excerpt(span, "not a section"));
    match keys::near(name, SECTIONS.iter().map(|(section, _)| *section)) {
        Some(near) => problem.fix(format!("did you mean `{near}`?")),
        None => problem.fix("`corelane config init` prints every section"),
    }
}

fn unknown_variable(name: &str) -> Problem {
    let problem = Problem::error("CFG005", format!("{name} is not a setting"));
    let known: Vec<String> = KEYS.iter().map(Key::env).collect();
    let known = known.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
    match keys::near(name, known) {
        Some(near) => problem.fix(format!("did you mean {near}?")),
        None => problem,
    }
    .fix("unset it, or start with --ignore-unknown-env")
}
