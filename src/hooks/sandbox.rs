//! One Lua state with its limits: time by Luau's interrupt, memory by the state's allocator, no files, no commands.

use super::{Limits, text};
use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti, Lua, LuaOptions, MultiValue, StdLib, Table, VmState};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Steps of a search between two interrupts (text times pattern): 0.1 to 0.3 s of comparing single characters
/// against a class, and enough for a pattern of 16 characters on 4 MiB.
const SEARCH_STEPS: usize = 64 << 20;

/// Elements that one `table.move` passes: what 64 MiB can hold of them, 16 bytes each.
const MOVED_ELEMENTS: usize = 4 << 20;

/// Bytes of a format for `os.date`: each pair calls strftime, a microsecond at most.
const DATE_FORMAT: usize = 1 << 10;

/// The chunk name of the prelude, as it stands in Luau's messages.
const PRELUDE: &str = "wrap";

/// A state, and the clock that its interrupt looks at.
pub(super) struct Sandbox {
    lua: Lua,
    clock: Rc<Clock>,
    limits: Limits,
    /// The file's name as it stands in messages: `notify.lua`.
    chunk: String,
}

/// When the call that runs must be over.
#[derive(Default)]
struct Clock {
    deadline: Cell<Option<Instant>>,
    /// The interrupt has stopped the call that runs.
    stopped: Cell<bool>,
    /// The line that the hook was at then, where it is known.
    line: Cell<Option<usize>>,
}

/// Ends what the hook is doing, although nothing has gone wrong: every further step of it is an error.
#[derive(Clone)]
pub(super) struct Halt(Rc<Clock>);

impl Halt {
    /// Stops the call that runs; no pcall outlives it.
    pub fn now(&self) {
        self.0.deadline.set(Some(Instant::now()));
    }

    /// What the call that runs has left of its time.
    pub fn left(&self) -> Duration {
        self.0.deadline.get().map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl Sandbox {
    /// Makes a state for the hook `name`, and the table that is `instance.env`. `host` gives the functions that the
    /// prelude builds the global `wrap` on; then the state is closed: libraries and `wrap` are read-only.
    pub fn new(
        name: &str,
        limits: Limits,
        host: impl FnOnce(&Lua, Halt) -> mlua::Result<Table>,
    ) -> mlua::Result<(Self, Table)> {
        let libraries = StdLib::COROUTINE
            | StdLib::TABLE
            | StdLib::OS
            | StdLib::STRING
            | StdLib::UTF8
            | StdLib::BIT
            | StdLib::MATH
            | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let clock = Rc::new(Clock::default());
        let bounds = (host(&lua, Halt(clock.clone()))?, SEARCH_STEPS, MOVED_ELEMENTS, DATE_FORMAT);
        let env: Table = lua.load(include_str!("prelude.luau")).set_name(format!("={PRELUDE}")).call(bounds)?;
        env.set_readonly(true);
        lua.sandbox(true)?;
        lua.set_memory_limit(limits.memory)?;
        let watched = clock.clone();
        lua.set_interrupt(move |lua| watched.look(lua));
        Ok((Self { lua, clock, limits, chunk: format!("{name}.lua") }, env))
    }

    /// The state, to make values in.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Runs the file's text. Text only: Luau does not verify bytecode.
    pub fn load(&self, source: &[u8]) -> Result<(), String> {
        let chunk = self.lua.load(source).set_name(format!("={}", self.chunk)).set_mode(ChunkMode::Text);
        let function = chunk.into_function().map_err(|error| self.describe(&error))?;
        self.call(&function, (), self.limits.time).map(drop)
    }

    /// Calls a function within the limits. The error is one line, with the file and the line where it is known.
    pub fn call(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
        time: Duration,
    ) -> Result<MultiValue, String> {
        self.clock.stopped.set(false);
        self.clock.deadline.set(Some(Instant::now() + time));
        let result = function.call::<MultiValue>(arguments);
        self.clock.deadline.set(None);
        if self.clock.stopped.get() {
            let place = self.clock.line.get().map(|line| format!("{}:{line}: ", self.chunk)).unwrap_or_default();
            return Err(format!("{place}stopped after {}", shown(time)));
        }
        result.map_err(|error| {
            if matches!(error, mlua::Error::MemoryError(_)) {
                // What it had taken is garbage now; the next event begins with an empty state.
                let _ = self.lua.gc_collect();
            }
            self.describe(&error)
        })
    }

    /// One line of what went wrong: no traceback, but the place in the hook's own file.
    fn describe(&self, error: &mlua::Error) -> String {
        let text = match error {
            mlua::Error::MemoryError(_) => format!("used more than {} MiB", self.limits.memory >> 20),
            mlua::Error::CallbackError { traceback, cause } => {
                let mut cause = cause;
                while let mlua::Error::CallbackError { cause: inner, .. } = &**cause {
                    cause = inner;
                }
                format!("{}\n{traceback}", message(cause))
            }
            other => message(other),
        };
        let (said, trace) = text.split_once("\nstack traceback:").unwrap_or((&text, &text));
        // Where one of the prelude's functions was called wrongly the message has its place, not the caller's.
        let mut said = without_place(said, PRELUDE).unwrap_or(said);
        let place = format!("{}:", self.chunk);
        // Each coroutine that an error leaves puts its own place in front; the last one is where it arose.
        while let Some(rest) = without_place(said, &self.chunk).filter(|rest| rest.starts_with(&place)) {
            said = rest;
        }
        let found = (!said.starts_with(&place))
            .then(|| trace.lines().find_map(|line| line.trim().strip_prefix(&place)))
            .flatten()
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        match found {
            Some(line) if !line.is_empty() => text::one_line(&format!("{place}{line}: {said}")),
            _ => text::one_line(said),
        }
    }
}

impl Clock {
    /// The interrupt. Past the deadline it fails each time: a pcall that catches it once meets it again.
    fn look(&self, lua: &Lua) -> mlua::Result<VmState> {
        if self.deadline.get().is_none_or(|deadline| Instant::now() < deadline) {
            return Ok(VmState::Continue);
        }
        if !self.stopped.replace(true) {
            self.line.set(line_of_hook(lua));
        }
        Err(mlua::Error::runtime("stopped"))
    }
}

/// The line that the hook's own code is at: the innermost function that is neither C nor the prelude's.
fn line_of_hook(lua: &Lua) -> Option<usize> {
    let frame = |level| {
        lua.inspect_stack(level, |frame| {
            let own = frame.source().short_src.is_some_and(|source| source != PRELUDE);
            frame.current_line().filter(|_| own)
        })
    };
    (0..).map_while(frame).flatten().next()
}

/// Where a text cannot be parsed: line and column, counted from 1, and why.
///
/// Luau tells the line. The column is found by breaking that line in two: where what is wrong lies behind the break, it
/// is on the next line then.
pub(super) fn syntax_error(source: &[u8]) -> Option<(usize, usize, String)> {
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).ok()?;
    let parse = |source: &[u8]| -> Option<(usize, String)> {
        let chunk = lua.load(source).set_name("=f").set_mode(ChunkMode::Text);
        let text = message(&chunk.into_function().err()?);
        let (line, said) = text.strip_prefix("f:")?.split_once(": ")?;
        Some((line.parse().ok()?, said.to_owned()))
    };
    let (line, said) = parse(source)?;
    let kind = without_other_place(&said);
    let begin = source.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum::<usize>();
    let text = source.get(begin..)?.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    // Between two words or signs only: a break within one would make another error.
    let is_gap = |at: &usize| !is_word(text[*at]) || !is_word(text[at - 1]);
    let breaks: Vec<usize> = (1..text.len().min(COLUMNS)).filter(is_gap).collect();
    let lies_behind = |at: usize| {
        let broken = [&source[..begin + at], b"\n", &source[begin + at..]].concat();
        parse(&broken).is_some_and(|(then, why)| then == line + 1 && without_other_place(&why) == kind)
    };
    let column = breaks.into_iter().rev().find(|at| lies_behind(*at)).unwrap_or(0);
    let spaces = text[column.min(text.len())..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    Some((line, column + spaces + 1, text::one_line(&said)))
}

/// A message without `(to close … at …)`, the place of something else that a break moves too.
fn without_other_place(said: &str) -> String {
    match said.split_once(" (to close ") {
        Some((before, rest)) => before.to_owned() + rest.rsplit_once("), ").map_or("", |(_, after)| after),
        None => said.to_owned(),
    }
}

/// Columns in which an error is looked for: each costs a compilation.
const COLUMNS: usize = 500;

/// The text of an error without the kind that mlua puts in front.
pub(super) fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// `text` without `chunk:LINE: ` in front of it; `None` where it does not begin so.
fn without_place<'a>(text: &'a str, chunk: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(chunk)?.strip_prefix(':')?;
    let (line, rest) = rest.split_once(": ")?;
    line.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}

/// A limit as people read it.
fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
