//! `wrap init`: what a shell's rc file evaluates: the completions, the aliases of the configuration, and one of `wrap`
//! itself, behind which other aliases still expand.

use super::{completions, install, print};
use crate::cli::{InitArgs, Shell};
use crate::config;
use crate::files::printable;
use std::path::PathBuf;
use std::process::ExitCode;

/// Words that a shell has itself, of those that are no programs: an alias would hide them just the same, and one that is
/// part of the language would break every script that is read after it.
const BUILTINS: &str = "alias and autoload begin bg bind bindkey break builtin caller case cd command compdef compgen complete \
compopt continue coproc declare def dirs disown do done echo elif else enable end esac eval exec exit export fc fg fi float \
for foreach function functions getopts hash help history if in integer jobs let local logout mapfile not noglob or popd pushd \
read readarray readonly repeat return select set setopt shift shopt source string suspend switch then time times trap type \
typeset ulimit umask unalias unfunction unset unsetopt until wait where whence which while wrap zle zstyle";

/// Prints it, or puts things in their places.
pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    match args.shell {
        Some(shell) => script(shell, &args.alias),
        None => install::run(args),
    }
}

/// What cannot be an alias costs a line on standard error and nothing else: a shell is to start.
fn script(shell: Shell, more: &[(String, String)]) -> anyhow::Result<ExitCode> {
    let loaded = config::load(None, config::NOT_TRUSTED);
    for warning in &loaded.warnings {
        complain!("wrap: {warning}");
    }
    let mut aliases = loaded.config.alias;
    for alias in more {
        aliases.retain(|(name, _)| *name != alias.0);
        aliases.push(alias.clone());
    }
    // First, so that no alias has a part in them.
    let mut text = match shell {
        // Before compinit there is nothing to tell it to.
        Shell::Zsh => format!("if (( $+functions[compdef] )); then\n{}\nfi\n", completions::script(shell)),
        _ => completions::script(shell).to_owned(),
    };
    let mut made = Vec::new();
    for (name, command) in &aliases {
        if let Some(why) = hidden_by(name) {
            complain!("wrap: alias `{}` is not made: {why}", printable(name, 100));
            continue;
        }
        text.push_str(&alias(shell, name, command));
        made.push(name.as_str());
    }
    if shell == Shell::Bash && !made.is_empty() {
        // The other shells see through an alias themselves.
        text.extend(["complete -F _wrap_alias ", &made.join(" "), "\n"]);
    }
    if matches!(shell, Shell::Bash | Shell::Zsh) {
        // A trailing space: the next word is looked up as an alias, too (bash(1), ALIASES; zshmisc(1), ALIASING).
        text.push_str("alias wrap='wrap '\n");
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Why a name may not be taken.
fn hidden_by(name: &str) -> Option<String> {
    if BUILTINS.split(' ').any(|word| word == name) {
        return Some("it would hide a word of the shell's own; choose another name".to_owned());
    }
    let found = on_path(name)?;
    Some(format!("it would hide `{}`; choose another name", found.display()))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// What means something to a shell beside words and quotes. Of `a && b`, the alias would wrap `a` alone; and each shell
/// means something else by it.
const SYNTAX: [char; 12] = ['&', '|', ';', '<', '>', '(', ')', '$', '`', '*', '?', '~'];

/// The words that follow are the command's, as with any alias.
fn alias(shell: Shell, name: &str, command: &str) -> String {
    let words = if command.contains(SYNTAX) {
        let script = format!("{command} \"$@\"");
        format!("wrap sh -c {} {name}", shlex::try_quote(&script).unwrap_or_default())
    } else {
        format!("wrap {command}")
    };
    // Neither takes a word as sh writes it.
    let quoted = |quote: fn(&str) -> String| {
        let is_plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "_.,:=/@%+-".contains(c));
        let words = shlex::split(&words).unwrap_or_default();
        let words = words.iter().map(|word| if is_plain(word) { word.clone() } else { quote(word) });
        words.collect::<Vec<_>>().join(" ")
    };
    match shell {
        Shell::Bash | Shell::Zsh => format!("alias {name}='{}'\n", words.replace('\'', "'\\''")),
        Shell::Fish => format!("alias {name} '{}'\n", words.replace('\\', "\\\\").replace('\'', "\\'")),
        // nushell has a `wrap` of its own, which makes tables.
        Shell::Nu => format!("alias {name} = ^{}\n", quoted(|word| serde_json::Value::from(word).to_string())),
        Shell::Pwsh => {
            let words = quoted(|word| format!("'{}'", word.replace('\'', "''")));
            format!("function global:{name} {{ {words} @args }}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stay_what_they_are() {
        assert_eq!(alias(Shell::Bash, "a", "sh -c 'x'"), "alias a='wrap sh -c '\\''x'\\'''\n");
        let both = "a && b";
        assert_eq!(alias(Shell::Bash, "x", both), "alias x='wrap sh -c '\\''a && b \"$@\"'\\'' x'\n");
        assert_eq!(alias(Shell::Nu, "x", both), "alias x = ^wrap sh -c \"a && b \\\"$@\\\"\" x\n");
        assert_eq!(alias(Shell::Pwsh, "x", both), "function global:x { wrap sh -c 'a && b \"$@\"' x @args }\n");
        assert_eq!(alias(Shell::Nu, "x", "npm run dev"), "alias x = ^wrap npm run dev\n");
        assert_eq!(alias(Shell::Fish, "a", "sh -c 'x\\y'"), "alias a 'wrap sh -c \\'x\\\\y\\''\n");
    }

    #[test]
    fn what_would_be_hidden_is_named() {
        assert!(hidden_by("cd").is_some_and(|why| why.contains("shell's own")));
        assert!(hidden_by("sh").is_some_and(|why| why.contains("/sh`")));
        assert_eq!(hidden_by("no-such-program-at-all"), None);
    }
}
