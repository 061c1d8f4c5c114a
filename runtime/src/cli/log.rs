//! The log on standard error, and the switch of its level.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat, LogLevel};

/// Changes the level of the log while it is written.
pub(super) struct Level(Box<dyn Fn(EnvFilter)>);

impl Level {
    /// From now on, this is worth a line.
    pub(super) fn set(&self, level: LogLevel) {
        (self.0)(EnvFilter::new(level.name()));
    }
}

/// Starts the log.
pub(super) fn start(config: &Config) -> Level {
    let filter = EnvFilter::new(config.log.level.name());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    // A handle that cannot change the filter belongs to a log that has ended.
    if json {
        let builder = builder.json().with_filter_reloading();
        let handle = builder.reload_handle();
        builder.finish().init();
        Level(Box::new(move |filter| drop(handle.reload(filter))))
    } else {
        let colour = crate::diag::colour_wanted();
        let builder = builder.with_ansi(colour).with_target(false).with_filter_reloading();
        let handle = builder.reload_handle();
        builder.finish().init();
        Level(Box::new(move |filter| drop(handle.reload(filter))))
    }
}
