//! The help, made of the command line's definition and of the pages.

use super::pages::{self, GROUPS, Page, Said};
use super::{Cli, with_verb};
use clap::CommandFactory;
use std::ffi::OsString;
use std::fmt::Write as _;

/// What stands beside an example begins here, where the example leaves the room.
const BESIDE: usize = 34;

/// The verbs go before the options, by what they are for.
const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}\n";

/// The command line with all that its help says. Parsing does without: it would be made at each start.
pub fn definition() -> clap::Command {
    let mut command = Cli::command().help_template(TEMPLATE).after_help("`wrap help` says more, and `wrap help VERB`.");
    let long = verbs(&command);
    command = command.before_help(verbs_in_short()).before_long_help(long);
    for page in pages::PAGES {
        let text = beyond_options(page);
        command = if page.verb.is_empty() {
            command.after_long_help(text)
        } else {
            let hint = format!("`wrap help {}` has examples.", page.verb);
            command.mut_subcommand(page.verb, |verb| verb.after_help(hint).after_long_help(text))
        };
    }
    command
}

/// The help that was asked for by `-h` or `--help`, as clap's error prints it.
pub(super) fn asked(args: Vec<OsString>) -> Option<clap::Error> {
    let definition = definition();
    let args = with_verb(args, &definition);
    definition.try_get_matches_from(args).err()
}

fn verbs_in_short() -> String {
    let lines = GROUPS.iter().map(|(heading, verbs)| format!("  {heading:16} {}", verbs.join(", ")));
    format!("Verbs:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn verbs(command: &clap::Command) -> String {
    let mut text = String::new();
    for (heading, verbs) in GROUPS {
        let _ = writeln!(text, "{heading}:");
        for verb in *verbs {
            let about = command.find_subcommand(verb).and_then(clap::Command::get_about);
            let _ = writeln!(text, "  {verb:12} {}", about.map_or_else(String::new, ToString::to_string));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// Everything of a page but its files, of which a manual has room to speak.
fn beyond_options(page: &Page) -> String {
    let mut text = page.text.to_owned();
    let sections = [("Examples", page.examples), ("Exit status", page.exits), ("Environment", page.environment)];
    for (heading, said) in sections.into_iter().filter(|(_, said)| !said.is_empty()) {
        let _ = write!(text, "\n\n{heading}:\n{}", list(said));
    }
    text
}

/// Two columns; a first one that is too long has a line of its own.
fn list(said: &[Said]) -> String {
    let widest = said.iter().map(|(what, _)| what.len()).filter(|&length| length <= BESIDE).max().unwrap_or(0);
    let line = |(what, text): &Said| match what.len() {
        length if length <= widest => format!("  {what:widest$}  {text}"),
        _ => format!("  {what}\n  {:widest$}  {text}", ""),
    };
    said.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of the usual size, with a line left for the prompt.
    const SCREEN: (usize, usize) = (23, 80);

    fn short(command: &clap::Command) -> String {
        command.clone().term_width(SCREEN.1).render_help().to_string()
    }

    #[test]
    fn the_short_help_fits_one_screen() {
        let mut definition = definition();
        definition.build();
        for command in definition.get_subcommands().filter(|verb| !verb.is_hide_set()).chain([&definition]) {
            let text = short(command);
            assert!(text.lines().count() <= SCREEN.0, "{} lines:\n{text}", text.lines().count());
        }
    }

    #[test]
    fn every_verb_has_one_page_and_stands_in_one_group() {
        let command = Cli::command();
        let mut verbs: Vec<&str> =
            command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        let mut paged: Vec<&str> = pages::PAGES.iter().map(|page| page.verb).filter(|verb| !verb.is_empty()).collect();
        for list in [&mut verbs, &mut grouped, &mut paged] {
            list.sort_unstable();
        }
        assert_eq!(grouped, verbs);
        assert_eq!(paged, verbs);
    }

    #[test]
    fn examples_are_lines_that_wrap_takes() {
        for (line, _) in pages::PAGES.iter().flat_map(|page| page.examples) {
            // What is in front of it and behind it is the shell's.
            let Some(start) = line.find("wrap ") else { panic!("{line}") };
            let own = line[start..].split([';', '|', '>']).next().unwrap_or_default();
            let words = own.split_whitespace().map(|word| word.trim_matches('\'').to_owned());
            if own.contains("$(") || own.matches('\'').count() > 0 {
                continue; // words with spaces in them, which take a shell to tell apart
            }
            assert!(super::super::parse(words.map(OsString::from)).is_ok(), "{line}");
        }
    }
}
