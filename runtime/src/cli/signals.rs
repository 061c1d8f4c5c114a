//! SIGINT and SIGTERM: the first asks for an orderly end, a second one ends at once. SIGHUP: everything is read again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::diag::{Exit, Problem, reason};

/// Whether the end was asked for.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from here on.
    pub(super) fn listen() -> Result<Stop, Problem> {
        let stop = Arc::new(AtomicBool::new(false));
        let listen = || -> io::Result<()> {
            for signal in [SIGINT, SIGTERM] {
                // In this order: the first signal finds the flag down and raises it, the second finds it up.
                let code = i32::from(Exit::Failed.code());
                flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))?;
                flag::register(signal, Arc::clone(&stop))?;
            }
            Ok(())
        };
        listen().map_err(not_listening)?;
        Ok(Stop(stop))
    }

    /// Whether a signal came.
    pub(super) fn is_asked(&self) -> bool {
        // Relaxed: it carries nothing but itself.
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether everything is to be read again.
pub(super) struct Reload(Arc<AtomicBool>);

impl Reload {
    /// Listens from here on. Before that, SIGHUP ends the process.
    pub(super) fn listen() -> Result<Reload, Problem> {
        let reload = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&reload)).map_err(not_listening)?;
        Ok(Reload(reload))
    }

    /// Whether a signal came since this was asked last.
    pub(super) fn is_asked(&self) -> bool {
        // Relaxed: it carries nothing but itself.
        self.0.swap(false, Ordering::Relaxed)
    }
}

fn not_listening(error: io::Error) -> Problem {
    Problem::error("SYS001", format!("cannot listen for signals: {}", reason(&error)))
}
