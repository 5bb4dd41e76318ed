//! A way to start a command: bare, under wrap, or under any other launcher that is named on the command line.

/// A launcher as its words. A word `{}` stands for the command as one shell line; without one, the command's words
/// follow.
#[derive(Clone)]
pub struct Launcher {
    words: Vec<String>,
}

impl Launcher {
    /// No launcher: what everything is compared with.
    pub fn bare() -> Self {
        Self { words: Vec::new() }
    }

    /// From a line such as `wrap` or `script -qec {} /dev/null`.
    pub fn of(line: &str) -> Self {
        Self { words: line.split_whitespace().map(str::to_owned).collect() }
    }

    /// Its name in the table.
    pub fn name(&self) -> String {
        if self.words.is_empty() { "bare".to_owned() } else { self.words.join(" ") }
    }

    /// Whether its program can be found.
    pub fn is_installed(&self) -> bool {
        let Some(program) = self.words.first() else { return true };
        let path = std::env::var_os("PATH").unwrap_or_default();
        program == "wrap" || std::env::split_paths(&path).any(|dir| dir.join(program).exists())
    }

    /// The shell line that runs this command, itself a simple command of the shell, under the launcher.
    pub fn line(&self, command: &str) -> String {
        if self.words.is_empty() {
            return command.to_owned();
        }
        if self.words.iter().any(|word| word == "{}") {
            let words = self.words.iter().map(|word| if word == "{}" { quoted(command) } else { word.clone() });
            return words.collect::<Vec<_>>().join(" ");
        }
        format!("{} {command}", self.words.join(" "))
    }
}

/// One word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
