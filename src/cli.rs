//! The command line: every verb's options, and nothing else.

use clap::{Args, ValueEnum};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned lines for people
    Human,
    /// An array of objects
    Json,
    /// One line of key=value pairs each
    Logfmt,
    /// A Markdown table
    Md,
}

/// List the running instances, newest first
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How to write them
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// The same as `-f json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Show the unresponsive, orphaned, stopping and restarting ones too
    #[arg(short, long)]
    pub all: bool,
}

/// Remove what dead instances left behind, and list commands that live without their keeper
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// End those commands, with all that they started
    #[arg(long)]
    pub kill: bool,
}
