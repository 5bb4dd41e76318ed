//! The manual pages: those of the verbs from the command line and its pages, the other two from the docs.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, roman};
use std::fmt::Write as _;
use std::fs;
use wrap::cli::definition;
use wrap::cli::pages::{self, Page, Said};

/// When what they say was last gone through, as every page carries it.
const DATE: &str = "2026-11-22";
const VERSION: &str = concat!("wrap ", env!("CARGO_PKG_VERSION"));

/// A page that is made from one of the docs.
struct Doc {
    name: &'static str,
    section: &'static str,
    about: &'static str,
    file: &'static str,
    files: &'static [Said],
    see_also: &'static [&'static str],
}

const DOCS: [Doc; 2] = [
    Doc {
        name: "wrap.toml",
        section: "5",
        about: "settings of wrap: wrap.toml and config.toml",
        file: "docs/config.md",
        files: &[
            ("~/.config/wrap/config.toml", "yours, for everything that you run"),
            ("wrap.toml", "a project's, for everybody who runs it"),
        ],
        see_also: &["wrap(1)", "wrap-config(1)", "wrap-trust(1)", "wrap-hooks(7)"],
    },
    Doc {
        name: "wrap-hooks",
        section: "7",
        about: "Lua files that run at the events of a run",
        file: "docs/hooks.md",
        files: &[
            ("~/.config/wrap/hooks/", "yours"),
            (".wrap/hooks/", "a project's, which run once you trust it"),
            ("~/.local/state/wrap/hooks.json", "what came of each hook the last time"),
            ("~/.local/state/wrap/store/", "what hooks remember"),
        ],
        see_also: &["wrap(1)", "wrap-hooks(1)", "wrap-trust(1)", "wrap.toml(5)"],
    },
];

/// Each page's file name and text.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = definition();
    command.build();
    let of = |page: &Page| {
        let name = if page.verb.is_empty() { "wrap".to_owned() } else { format!("wrap-{}", page.verb) };
        let command = command.find_subcommand(page.verb).unwrap_or(&command);
        (format!("{name}.1"), rendered(&verb(&name, command, page)))
    };
    let docs = DOCS.iter().map(|doc| (format!("{}.{}", doc.name, doc.section), rendered(&written(doc))));
    pages::PAGES.iter().map(of).chain(docs).collect()
}

/// Its source, with lines of at most this many columns, as the judges want it: where a text is filled, a line's end is a
/// space.
const COLUMNS: usize = 78;

fn rendered(roff: &Roff) -> Vec<u8> {
    // `wrap init --uninstall` knows its own by this.
    let mut text = ".\\\" Of wrap: made by its tests from the command line and the docs.\n".to_owned();
    let mut is_literal = false;
    for line in roff.render().lines() {
        is_literal = line == ".EX" || is_literal && line != ".EE";
        if is_literal || line.starts_with(['.', '\'']) {
            text.extend([line, "\n"]);
            continue;
        }
        let mut column = 0;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            if column > 0 && column + 1 + word.len() > COLUMNS {
                // A line that begins so would be a request.
                text.push_str(if word.starts_with(['.', '\'']) { "\n\\&" } else { "\n" });
                column = 0;
            } else if column > 0 {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += word.len();
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn begun(name: &str, section: &str, manual: &str, about: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [&name.to_uppercase(), section, DATE, VERSION, manual]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff
}

fn verb(name: &str, command: &clap::Command, page: &Page) -> Roff {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut roff = begun(name, "1", "User Commands", &lower(&about));
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (at, line) in usage.trim_start_matches("Usage:").lines().enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        roff.text([bold(line.trim())]);
    }
    roff.control("SH", ["DESCRIPTION"]);
    let first = format!("{}.", about.trim_end_matches('.'));
    text(&mut roff, &format!("{first}\n\n{}", page.text));
    let verbs: Vec<&clap::Command> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
    if page.verb.is_empty() {
        for (heading, verbs) in pages::GROUPS {
            roff.control("SS", [*heading]);
            for verb in *verbs {
                let about = command.find_subcommand(verb).and_then(clap::Command::get_about).map(ToString::to_string);
                entry(&mut roff, &format!("wrap-{verb}(1)"), &about.unwrap_or_default());
            }
        }
    } else if !verbs.is_empty() {
        roff.control("SH", ["VERBS"]);
        for verb in verbs {
            let usage = verb.clone().render_usage().to_string();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            entry(&mut roff, usage.trim_start_matches("Usage:").trim(), &about);
            roff.control("RS", []);
            options(&mut roff, verb);
            roff.control("RE", []);
        }
    }
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        roff.control("SH", ["OPTIONS"]);
        options(&mut roff, command);
    }
    list(&mut roff, "EXAMPLES", page.examples);
    list(&mut roff, "EXIT STATUS", page.exits);
    list(&mut roff, "FILES", page.files);
    list(&mut roff, "ENVIRONMENT", page.environment);
    see_also(&mut roff, page.see_also);
    roff
}

/// `Show what is running` as the second half of a line.
fn lower(about: &str) -> String {
    let mut letters = about.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Its arguments and options, with what they take.
fn options(roff: &mut Roff, command: &clap::Command) {
    let is_inner = command.get_bin_name().is_some_and(|name| name.split(' ').count() > 2);
    let left_out = |arg: &clap::Arg| arg.is_hide_set() || is_inner && arg.get_id() == "help";
    for arg in command.get_arguments().filter(|arg| !left_out(arg)) {
        let names = [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
        let mut head = Vec::new();
        for name in names.into_iter().flatten() {
            if !head.is_empty() {
                head.push(roman(", "));
            }
            head.push(bold(name));
        }
        let takes = arg.is_positional() || arg.get_action().takes_values();
        for value in arg.get_value_names().unwrap_or_default().iter().filter(|_| takes) {
            let sign = if arg.is_require_equals_set() { "[=" } else { " " };
            head.push(roman(if head.is_empty() { "" } else { sign }));
            head.push(italic(value.as_str()));
            head.push(roman(if arg.is_require_equals_set() { "]" } else { "" }));
        }
        roff.control("TP", []);
        roff.text(head);
        let mut about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values = arg.get_possible_values();
        if takes && !values.is_empty() {
            let values: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            let _ = write!(about, ": {}", values.join(", "));
        }
        if let Some(default) = arg.get_default_values().first().filter(|_| takes) {
            let _ = write!(about, " [{}]", default.display());
        }
        roff.text([roman(about)]);
    }
}

/// Paragraphs; lines that begin with two spaces stay as they are.
fn text(roff: &mut Roff, text: &str) {
    for (at, paragraph) in text.split("\n\n").enumerate() {
        if paragraph.starts_with("  ") {
            roff.control("PP", []);
            literal(roff, &paragraph.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>());
            continue;
        }
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
}

fn literal(roff: &mut Roff, lines: &[&str]) {
    roff.control("RS", ["4"]);
    roff.control("EX", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("EE", []);
    roff.control("RE", []);
}

fn list(roff: &mut Roff, heading: &str, said: &[Said]) {
    if !said.is_empty() {
        roff.control("SH", [heading]);
    }
    for (what, text) in said {
        entry(roff, what, text);
    }
}

fn entry(roff: &mut Roff, what: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(what)]);
    roff.text([roman(text)]);
}

fn see_also(roff: &mut Roff, pages: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for page in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        let (name, section) = page.split_once('(').expect("a section");
        line.extend([bold(name), roman(format!("({section}"))]);
    }
    roff.text(line);
}

/// One of the docs as a manual page.
fn written(doc: &Doc) -> Roff {
    let text = fs::read_to_string(super::root().join(doc.file)).expect("a page of the docs");
    let mut roff = begun(doc.name, doc.section, "wrap", doc.about);
    roff.control("SH", ["DESCRIPTION"]);
    let mut writer = Writer { roff, ..Writer::default() };
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    let mut roff = writer.roff;
    list(&mut roff, "FILES", doc.files);
    see_also(&mut roff, doc.see_also);
    roff
}

/// Follows a text in Markdown.
#[derive(Default)]
struct Writer {
    roff: Roff,
    line: Vec<Inline>,
    is_bold: bool,
    /// The next paragraph needs no space above it.
    is_fresh: bool,
    code: Option<String>,
    heads: Vec<String>,
    cells: Vec<Vec<Inline>>,
}

impl Writer {
    fn event(&mut self, event: Event) {
        match event {
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None if self.is_bold => self.line.push(bold(&*text)),
                None => self.line.push(roman(&*text)),
            },
            Event::Code(code) => self.line.push(bold(&*code)),
            Event::SoftBreak => self.line.push(roman(" ")),
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag) {
        match tag {
            Tag::Strong => self.is_bold = true,
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::Item => {
                self.roff.control("IP", ["\\(bu", "2"]);
                self.is_fresh = true;
            }
            Tag::Paragraph if !self.is_fresh => {
                self.roff.control("PP", []);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.is_bold = false,
            TagEnd::Paragraph | TagEnd::Item => {
                let line = std::mem::take(&mut self.line);
                if !line.is_empty() {
                    self.roff.text(line);
                }
                self.is_fresh = false;
            }
            TagEnd::Heading(level) => {
                let heading = plain(&std::mem::take(&mut self.line));
                match level as usize {
                    // The page's own name.
                    1 => {}
                    2 => drop(self.roff.control("SH", [&*heading.to_uppercase()])),
                    _ => drop(self.roff.control("SS", [&*heading])),
                }
                self.is_fresh = true;
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                if !self.is_fresh {
                    self.roff.control("PP", []);
                }
                literal(&mut self.roff, &code.lines().collect::<Vec<_>>());
                self.is_fresh = false;
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => self.heads = self.cells.drain(..).map(|cell| plain(&cell)).collect(),
            TagEnd::TableRow => {
                self.row();
                self.is_fresh = false;
            }
            _ => {}
        }
    }

    /// A row of a table as an entry: the first cell is its head, the last what there is to say, the others behind that.
    fn row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells);
        let head = cells.remove(0);
        let last = cells.pop().unwrap_or_default();
        self.roff.control("TP", []);
        self.roff.text(head.iter().map(|inline| bold(plain(std::slice::from_ref(inline)))).collect::<Vec<_>>());
        let is_empty = last.is_empty();
        if !is_empty {
            self.roff.text(last);
        }
        for (at, mut cell) in cells.into_iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            if at > 0 || !is_empty {
                self.roff.control("br", []);
            }
            cell.insert(0, roman(format!("{}: ", self.heads[at + 1])));
            self.roff.text(cell);
        }
    }
}

fn plain(line: &[Inline]) -> String {
    line.iter()
        .map(|inline| match inline {
            Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
            Inline::LineBreak => " ",
        })
        .collect()
}
