//! The floors of the house: imports only go down, and the platform stays in its cellar.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src`, the top floor first. A module that is added must be given a floor here and in ARCHITECTURE.md.
const FLOORS: [&[&str]; 7] = [
    &["main", "lib", "cli", "cmd"],
    &["client", "keeper", "center"],
    &["sweep"],
    &["hooks"],
    &["registry", "api", "wire", "project", "render", "log", "ping", "end"],
    &["config", "paths", "error", "files", "keys"],
    &["sys"],
];

/// The floor of the three processes, which import nothing from each other.
const PROCESSES: usize = 1;

/// How far from the top a room is; `None` where it is on no floor.
fn depth(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// A source file: the modules that its path stands for, and its code without comments and the insides of strings.
struct Source {
    path: PathBuf,
    /// `["cmd", "run"]` for src/cmd/run.rs, `["cmd"]` for src/cmd/mod.rs.
    module: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("src can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).expect("below src").with_extension("");
                let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
                    module.pop();
                }
                let code = without_comments(&fs::read_to_string(&path).expect("a source file"));
                found.push(Source { path, module, code });
            }
        }
    }
    found
}

/// Blanks comments and what stands between quotes, so that neither is taken for code.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => comment(rest),
            [b'r', b'"' | b'#', ..] if !ends_in_word(&code) => raw_string(rest),
            [b'"', ..] => quoted(rest),
            // 'x', '\n' and '\'' are characters; 'a without a second quote is a lifetime.
            [b'\'', b'\\', _, ..] => 3 + rest[3..].iter().position(|&byte| byte == b'\'').map_or(0, |end| end + 1),
            [b'\'', _, b'\'', ..] => 3,
            _ => {
                code.push(char::from(rest[0]));
                at += 1;
                continue;
            }
        };
        code.push(' ');
        at += length.max(1);
    }
    code
}

fn ends_in_word(code: &str) -> bool {
    code.bytes().last().is_some_and(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of a block comment; they nest.
fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The length of `"…"` with its quotes.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The length of `r"…"`, `r#"…"#` and so on; 1 where it is none (`r#type`).
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 1;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let start = 2 + hashes;
    let end = rest[start..].windows(close.len()).position(|window| window == close.as_slice());
    end.map_or(rest.len(), |end| start + end + close.len())
}

/// Where `word` stands in the code as a whole word.
fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let bytes = code.as_bytes();
        (at == 0 || !is_word(bytes[at - 1])) && !bytes.get(at + word.len()).copied().is_some_and(is_word)
    })
}

/// The first names that follow `crate::` (or what else the crate is called there), braces and their commas included.
fn rooms_named(source: &Source) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    // The program names the library by its own name.
    let names: &[&str] = if source.module == ["main"] { &["crate", "wrap"] } else { &["crate"] };
    for root in names {
        for at in places(&source.code, root) {
            let rest = source.code[at + root.len()..].trim_start();
            if let Some(path) = rest.strip_prefix("::") {
                first_names(path, &mut rooms);
            }
        }
    }
    // `super::` as often as the module is deep leads to the crate as well.
    let up = "super::".repeat(source.module.len());
    if source.module.len() > 1 || !matches!(source.module[0].as_str(), "main" | "lib") {
        for (at, _) in source.code.match_indices(&up) {
            let before = &source.code[..at];
            if !before.ends_with("super::") && !ends_in_word(before) {
                first_names(&source.code[at + up.len()..], &mut rooms);
            }
        }
    }
    rooms
}

/// The first name of a path, or of each path in `{a::b, c}`.
fn first_names(path: &str, rooms: &mut BTreeSet<String>) {
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else {
        let end = path.bytes().position(|byte| !is_word(byte)).unwrap_or(path.len());
        rooms.insert(path[..end].to_owned());
        return;
    };
    let mut depth = 0_usize;
    let mut starts = vec![0];
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    for start in starts {
        let name = group[start..].trim_start();
        let end = name.bytes().position(|byte| !is_word(byte)).unwrap_or(name.len());
        if end > 0 {
            rooms.insert(name[..end].to_owned());
        }
    }
}

/// What is wrong with the imports of one file.
fn faults(source: &Source) -> Vec<String> {
    let room = source.module[0].as_str();
    let Some(from) = depth(room) else {
        return vec![format!("{} is on no floor; give `{room}` one in tests/it/floors.rs", source.path.display())];
    };
    let mut faults = Vec::new();
    for named in rooms_named(source) {
        // What is no module is an item of the crate's root (a macro, a re-export), or a room without a floor, which
        // its own file reports.
        let Some(to) = depth(&named) else { continue };
        let up = to < from;
        let across = to == from && from == PROCESSES && named != room;
        if up || across {
            let way = if up { "up to" } else { "across to" };
            faults.push(format!("{} (`{room}`) reaches {way} `{named}`", source.path.display()));
        }
    }
    faults
}

#[test]
fn imports_only_go_down() {
    let sources = sources();
    assert!(sources.len() > 5, "the sources were found");
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_platform_is_known_only_to_sys() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.module[0] != "sys") {
        for word in ["unsafe", "target_os"] {
            for at in places(&source.code, word) {
                let line = source.code[..at].bytes().filter(|&byte| byte == b'\n').count() + 1;
                faults.push(format!("{}: `{word}` (about line {line})", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "only src/sys may say this:\n{}", faults.join("\n"));
}

/// How much of it there is stands in ARCHITECTURE.md; that each has its reason is clippy's to hold
/// (`undocumented_unsafe_blocks`).
#[test]
fn unsafe_is_counted() {
    let counts: Vec<usize> =
        sources().iter().map(|source| places(&source.code, "unsafe").count()).filter(|count| *count > 0).collect();
    let said = format!("`unsafe` stands {} times in {} files of `src/sys`", counts.iter().sum::<usize>(), counts.len());
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).expect("it is there");
    assert!(text.contains(&said), "ARCHITECTURE.md has to say: {said}");
}

/// A file as if it were in `src`.
fn source(module: &[&str], text: &str) -> Source {
    let module = module.iter().map(|&part| part.to_owned()).collect();
    Source { path: PathBuf::from("src/test.rs"), module, code: without_comments(text) }
}

#[test]
fn a_way_up_is_found_in_every_form() {
    for text in [
        "use crate::cmd::run;",
        "use crate::{error, cmd::{self, run}};",
        "fn f() { crate::keeper::start() }",
        "use super::super::cmd;",
        "/* crate::sys */ pub(crate) use crate::center as c;",
    ] {
        assert_eq!(faults(&source(&["registry", "entry"], text)).len(), 1, "{text}");
    }
    assert_eq!(faults(&source(&["client"], "use crate::keeper::relay;")).len(), 1, "across");
    assert_eq!(faults(&source(&["attic"], "")).len(), 1, "no floor");
}

#[test]
fn what_is_no_way_up_is_let_through() {
    for text in [
        "use crate::sys::process; use crate::wire::Frame; use super::entry;",
        "//! See [`crate::cmd`].\n/* crate::keeper */ const WORDS: &str = \"crate::cmd\";",
        "const RAW: &str = r#\"use crate::cmd; \"quoted\" crate::cli\"#; const QUOTE: char = '\"';",
        "use crate::{error::Error, paths};",
    ] {
        assert_eq!(faults(&source(&["registry", "entry"], text)), Vec::<String>::new(), "{text}");
    }
    assert!(faults(&source(&["keeper", "relay"], "use crate::keeper::life;")).is_empty(), "within one room");
    assert!(faults(&source(&["cmd", "run"], "use crate::cli::Run;")).is_empty(), "the top floor is one");
}
