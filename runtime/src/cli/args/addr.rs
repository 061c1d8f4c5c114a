//! The verb `addr` and its flags.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigSource;

/// What the help of `addr` ends with.
pub const EXAMPLES: &str = "Examples:\n  \
    corelane addr add 0x162cc7c861ebd0c06b3d72319201150482518185 --name anna\n  \
    corelane addr list\n  \
    corelane addr rm 0x162cc7c861ebd0c06b3d72319201150482518185 --now\n  \
    corelane addr import addresses.csv";

/// Verbs of `addr`.
#[derive(Args, Clone, Debug)]
pub struct AddrArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: AddrVerb,
}

/// What `addr` can do.
#[derive(Subcommand, Clone, Debug)]
pub enum AddrVerb {
    /// Follow accounts, from now on and after every restart
    Add {
        /// 0x and 40 hex digits
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        /// A name for people
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Whom to tell.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Let accounts go, after monitor.remove_grace
    Rm {
        /// 0x and 40 hex digits
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        /// Do not wait for monitor.remove_grace
        #[arg(long)]
        now: bool,
        /// Whom to tell.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// List the accounts, who names them, and whether they are followed
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Add the accounts of a CSV file: address in the first column, name in the second
    Import {
        /// The file; `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Whom to tell.
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Which node, and how to reach it.
#[derive(Args, Clone, Debug, Default)]
pub struct NodeArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Administration port [default: admin.listen of the configuration]
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// File with the token [default: admin.token_file of the configuration]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Ask nobody: read and write the list itself, for the next start or reload
    #[arg(long, conflicts_with_all = ["admin", "token_file"])]
    pub offline: bool,
}
