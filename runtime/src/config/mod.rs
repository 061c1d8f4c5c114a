//! The configuration: one TOML file, environment variables, flags, and the table that drives them.
//!
//! Order: defaults < file < `CORELANE_SECTION__KEY` < flags. Loading reports everything that is
//! wrong at once, each with its place, or returns a [`Config`] in which every value works. Loading
//! reads the file and the address file and nothing else; what the host can do is asked in
//! [`crate::host`].

pub mod addresses;
mod build;
mod check;
mod item;
pub mod keys;
mod layers;
pub(crate) mod lists;
pub mod show;
mod text;
mod types;
pub mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diag::{Problem, Problems, Severity, reason};
use build::Values;
use check::{Check, Value};
use item::Item;
use keys::{KEYS, Key, SOURCE};
use layers::{Layers, Slot, Written};
use text::SourceText;

pub use layers::Origin;
pub(crate) use lists::address_fault;
pub use types::*;

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "corelane.toml";

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The configuration file; `None` for defaults.
    pub file: Option<PathBuf>,
    /// The environment; variables without the prefix are passed over.
    pub env: Vec<(String, String)>,
    /// `section.key=value` texts, the last one wins.
    pub sets: Vec<String>,
    /// Lets unknown `CORELANE_` variables stand.
    pub ignore_unknown_env: bool,
}

impl LoadOptions {
    /// With this process's environment, and [`DEFAULT_FILE`] if no file is named and it exists
    /// here.
    pub fn from_process(file: Option<PathBuf>, sets: Vec<String>) -> LoadOptions {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        let env = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file());
        LoadOptions { file: file.or_else(default), env, sets, ignore_unknown_env: false }
    }
}

/// A configuration in force, and how it came to be.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What the user should know.
    pub warnings: Problems,
    /// Every setting with its origin, in the order of the table; see [`show`].
    pub settings: Vec<Setting>,
    /// Absolute path of the file that was read.
    pub file: Option<PathBuf>,
}

/// One setting in force.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Its row in the table.
    pub key: &'static Key,
    /// Which `[[source]]`, from 0; 0 elsewhere.
    pub index: usize,
    /// The value as TOML, masked if it is a secret.
    pub value: String,
    /// Differs where the value does, even where it is masked.
    pub fingerprint: u64,
    /// Who set it.
    pub origin: Origin,
    /// True if it differs from the default.
    pub changed: bool,
}

impl Config {
    /// Loads a configuration, or says everything that is wrong with it.
    pub fn load(options: LoadOptions) -> Result<Loaded, Problems> {
        Config::read(options, true)
    }

    /// The same without the file of addresses: who reads that for himself can go on without it.
    pub fn load_settings(options: LoadOptions) -> Result<Loaded, Problems> {
        Config::read(options, false)
    }

    fn read(options: LoadOptions, with_addresses_file: bool) -> Result<Loaded, Problems> {
        let mut layers = Layers::default();
        let mut base = PathBuf::new();
        let mut file = None;
        if let Some(path) = &options.file {
            let text = read_text(path)?;
            layers.add_file(&path.display().to_string(), text);
            base = path.parent().map(Path::to_path_buf).unwrap_or_default();
            file = std::path::absolute(path).ok();
        }
        layers.add_env(options.env, options.ignore_unknown_env);
        layers.add_sets(&options.sets);
        let mut problems = std::mem::take(&mut layers.problems);
        let sources = layers.source_count.max(1);
        let mut values = BTreeMap::new();
        let mut settings = Vec::new();
        for (slot, key) in slots(sources) {
            let default = default_value(key);
            let written = layers.written.get(&slot);
            let value = match written.map(|w| check(w, &layers)) {
                Some(Err(found)) => {
                    problems.extend(found);
                    continue;
                }
                Some(Ok(value)) => value,
                None => default.clone(),
            };
            let changed = value != default;
            if let (Some(written), true, false) = (written, changed, key.in_build) {
                problems.push(without_effect(written, &layers));
            }
            let origin = written.map_or(Origin::Default, |w| w.origin.clone());
            let in_file = matches!(origin, Origin::Default | Origin::File { .. });
            let text = show::value_text(key, &value);
            let fingerprint = show::fingerprint(&value);
            settings.push(Setting {
                key,
                index: slot.1,
                value: text,
                fingerprint,
                origin,
                changed,
            });
            let value = if in_file { build::resolve(value, &base) } else { value };
            values.insert(slot, value);
        }
        if problems.has_errors() {
            return Err(in_reading_order(problems));
        }
        let mut config = Values(values).config(sources);
        if with_addresses_file {
            addresses::add_file(&mut config.monitor, &mut problems);
        }
        build::cross_checks(&config, &mut problems);
        if problems.has_errors() {
            return Err(in_reading_order(problems));
        }
        Ok(Loaded { config, warnings: in_reading_order(problems), settings, file })
    }
}

impl Default for Config {
    /// The configuration of an empty file.
    fn default() -> Config {
        let loaded = Config::load(LoadOptions::default());
        loaded.expect("the defaults pass their own checks, which a test shows").config
    }
}

/// Every slot of a configuration with so many sources, in the order of the table.
fn slots(sources: usize) -> Vec<(Slot, &'static Key)> {
    let mut slots = Vec::new();
    for (section, _) in keys::SECTIONS {
        let tables = if *section == SOURCE { sources } else { 1 };
        for index in 0..tables {
            let own = KEYS.iter().filter(|key| key.section == *section);
            slots.extend(own.map(|key| ((key.section, index, key.name), key)));
        }
    }
    slots
}

fn check(written: &Written, layers: &Layers) -> Result<Value, Vec<Problem>> {
    let source = &layers.texts[written.text];
    Check { key: written.key, item: &written.item, source }.run()
}

/// The default of a key, through the same checks as a user's value.
fn default_value(key: &'static Key) -> Value {
    let source = SourceText::line("default", key.default);
    let parsed = toml::de::DeValue::parse(key.default).expect("defaults are TOML: tested");
    let item = Item::from_toml(&parsed, 0);
    Check { key, item: &item, source: &source }.run().expect("defaults work: tested")
}

fn without_effect(written: &Written, layers: &Layers) -> Problem {
    let source = &layers.texts[written.text];
    let label = "this build does not have the part that reads it";
    Problem::warning("CFG008", format!("{} has no effect", written.key.path()))
        .at(source.excerpt(&written.item.span, label))
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|error| {
        let what = format!("{} cannot be read: {}", path.display(), reason(&error));
        let problem = Problem::error("CFG009", what);
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                problem.fix(format!("corelane config init > {}", path.display()))
            }
            _ => problem,
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        let what = format!("{} is not UTF-8 text: line {line}", path.display());
        Problem::error("CFG009", what).fix("save the file as UTF-8")
    })
}

/// Errors before warnings; what stands in the file in the order of its lines, the rest after that.
fn in_reading_order(problems: Problems) -> Problems {
    let mut list: Vec<Problem> = problems.into_iter().collect();
    list.sort_by_key(|problem| {
        let spot = problem.where_.as_ref().and_then(|excerpt| excerpt.spots.last());
        let place = spot.filter(|spot| spot.line > 0).map(|spot| (spot.line, spot.column));
        (problem.severity != Severity::Error, place.is_none(), place)
    });
    let mut ordered = Problems::new();
    ordered.extend(list);
    ordered
}
