//! The code blocks of the README and of the docs: what they show is done, and what they promise comes.

use crate::harness::{Sandbox, Terminal};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use regex_lite::{Captures, Regex};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

const FILES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "docs/config.md", "docs/hooks.md"];

/// Stands for any lines.
const ANYTHING: &str = "…";

/// What the prompt of the harness's shells begins with.
const PROMPT: &str = "@@>";

struct Block {
    file: &'static str,
    /// What stands behind the backticks: the language, and for `console` perhaps the number of a terminal.
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for file in FILES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
        let mut open: Option<Block> = None;
        for event in Parser::new(&text) {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    open = Some(Block { file, language, text: String::new() });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
                _ => {}
            }
        }
    }
    found
}

fn written_in(language: &str) -> Vec<Block> {
    let mut found = blocks();
    found.retain(|block| block.language.split(' ').next() == Some(language));
    assert!(!found.is_empty(), "no {language}");
    found
}

#[test]
fn every_block_is_of_a_language_that_is_tried_here() {
    for block in blocks() {
        let language = block.language.split(' ').next().unwrap_or_default();
        // A drawing has none.
        let is_drawing = language.is_empty() && !block.text.contains("$ ");
        let is_tried = ["console", "sh", "toml", "lua"].contains(&language) || is_drawing;
        assert!(is_tried, "{}: a block of `{}`:\n{}", block.file, block.language, block.text);
    }
}

#[test]
fn settings_are_taken_without_a_word() {
    for block in written_in("toml") {
        let sandbox = Sandbox::new();
        sandbox.write("config/wrap/config.toml", &block.text);
        let config = sandbox.wrap(["config"]).piped().expect_code(0);
        assert_eq!(config.err(), "", "{}:\n{}", block.file, block.text);
    }
}

#[test]
fn hooks_have_no_mistake() {
    for (at, block) in written_in("lua").into_iter().enumerate() {
        let sandbox = Sandbox::new();
        let path = sandbox.write(&format!("hook{at}.lua"), &block.text);
        let path = path.to_str().expect("UTF-8");
        sandbox.wrap(["hooks", "check", path]).piped().expect_code(0);
    }
}

/// They are run with everything but the shell itself made of straw, and what wrap would have got is looked at.
#[test]
fn command_lines_are_taken() {
    const STRAW: &str = "
        wrap() { printf '%s\\037' wrap \"$@\"; echo; } >>said
        cargo() { [ \"$1\" != run ] || { while [ \"$1\" != -- ]; do shift; done; shift; wrap \"$@\"; }; }
        curl() { :; }; source() { :; }
    ";
    let mut count = 0;
    for block in written_in("sh") {
        let sandbox = Sandbox::new();
        let script = format!("{STRAW}\n{}", block.text);
        let ran = sandbox.run("bash", ["-c", &script]).piped();
        assert!(!ran.err().contains("syntax error") && !ran.err().contains("command not found"), "{}", ran.err());
        let said = fs::read_to_string(sandbox.project().join("said")).unwrap_or_default();
        for line in said.lines() {
            let words = line.trim_end_matches('\u{1f}').split('\u{1f}').map(OsString::from);
            if let Err(error) = wrap::cli::parse(words) {
                panic!("{}: {line}: {error}", block.file);
            }
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn sessions_show_what_they_show() {
    let all = written_in("console");
    for file in FILES {
        let sandbox = Sandbox::new();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"), &sandbox.project().join("tests/fixtures"));
        // There is no docker here.
        let docker = sandbox.write("bin/docker", "#!/bin/sh\nexec sleep 1000\n");
        fs::set_permissions(docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
        let mut session = Session { sandbox: &sandbox, terminals: HashMap::new(), names: HashMap::new() };
        for block in all.iter().filter(|block| block.file == file) {
            session.follow(block);
        }
        for (_, mut open) in session.terminals {
            settle(&mut open);
            open.terminal.send("exit\r");
            open.terminal.wait_end();
        }
        sandbox.stop_all();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// The terminals of a page, from its first line to its last.
struct Session<'a> {
    sandbox: &'a Sandbox,
    terminals: HashMap<String, Open>,
    /// What the page calls an id or a port, and what it is this time.
    names: HashMap<String, String>,
}

struct Open {
    terminal: Terminal,
    /// What was typed last, what should come, and how much was there before.
    last: Option<(String, Vec<String>, usize)>,
    root: String,
    /// Something was done in another terminal since, which may show here, too.
    is_disturbed: bool,
}

impl Session<'_> {
    fn follow(&mut self, block: &Block) {
        let mut steps: Vec<(String, Vec<String>)> = Vec::new();
        for line in block.text.lines() {
            match line.strip_prefix("$ ") {
                // A comment would only make the line longer than the terminal.
                Some(command) => {
                    steps.push((command.split("  # ").next().unwrap_or(command).trim().to_owned(), Vec::new()));
                }
                None => steps.last_mut().expect("a command first").1.push(line.to_owned()),
            }
        }
        for open in self.terminals.values_mut() {
            open.is_disturbed = true;
        }
        let open = self.terminals.entry(block.language.clone()).or_insert_with(|| Open {
            terminal: self.sandbox.bash(),
            last: None,
            root: self.sandbox.root().to_string_lossy().into_owned(),
            is_disturbed: false,
        });
        for (command, expected) in steps {
            settle(open);
            let ours = |found: &Captures| self.names.get(&found[0]).cloned().unwrap_or_else(|| found[0].to_owned());
            let line = token().replace_all(&command, ours).into_owned();
            let before = open.terminal.screen().len();
            open.terminal.line(&line);
            let wanted = expected.clone();
            open.last = Some((line.clone(), expected, before));
            open.is_disturbed = false;
            let root = open.root.clone();
            open.terminal.wait_until(&format!("what `{line}` shows:\n{}", wanted.join("\n")), |screen| {
                fits(&wanted, &came(&screen[before..], &line, &root))
            });
            let came = came(&open.terminal.screen()[before..], &line, &root);
            self.names.extend(names(&wanted).into_iter().zip(names(&came)));
        }
    }
}

/// The prompt is back, and nothing came but what the page shows.
#[track_caller]
fn settle(open: &mut Open) {
    let Some((line, expected, before)) = open.last.take() else { return };
    // Behind the line's own echo: before that comes, the old prompt still stands there.
    open.terminal.wait_until("the prompt", |screen| {
        screen.get(before..).is_some_and(|new| new.contains(&line) && new.trim_end().ends_with(PROMPT))
    });
    let mut came = came(&open.terminal.screen()[before..], &line, &open.root);
    if open.is_disturbed {
        came.truncate(expected.iter().filter(|line| !line.is_empty()).count());
    }
    assert!(fits(&expected, &came), "`{line}` showed\n{}\nand not\n{}", came.join("\n"), expected.join("\n"));
}

/// The lines that came: without what was typed, and without the prompt.
fn came(screen: &str, line: &str, root: &str) -> Vec<String> {
    let text = screen.trim_start_matches(PROMPT).trim_start();
    let text = text.strip_prefix(line).unwrap_or(text).trim_end();
    let text = text.strip_suffix(PROMPT).unwrap_or(text);
    let text = text.replace(&format!("{root}/config"), "~/.config").replace(&format!("{root}/home"), "~");
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Whether they are the same, but for ids, ports, times and the width of columns.
fn fits(expected: &[String], came: &[String]) -> bool {
    let same = |one: &str| {
        let one = token().replace_all(one, "#");
        let one = Regex::new(r"just now|\d+ min ago").expect("a pattern").replace_all(&one, "ago");
        let one = Regex::new(r"\d+(\.\d+)? m?s\b").expect("a pattern").replace_all(&one, "time");
        one.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let expected: Vec<String> = expected.iter().map(|line| same(line)).filter(|line| !line.is_empty()).collect();
    let came: Vec<String> = came.iter().map(|line| same(line)).collect();
    match expected.iter().position(|line| line == ANYTHING) {
        Some(at) => came.len() >= at && came[..at] == expected[..at],
        None => came == expected,
    }
}

/// A short id, or a port.
fn token() -> Regex {
    Regex::new(r"\b([0-9a-f]{6}|\d{5})\b").expect("a pattern")
}

fn names(lines: &[String]) -> Vec<String> {
    let text = lines.join("\n");
    token().find_iter(&text).map(|found| found.as_str().to_owned()).collect()
}
