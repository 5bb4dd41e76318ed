//! The user's desktop: what opens a page there.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What opens a page where BROWSER says nothing.
#[cfg(target_os = "macos")]
const OPENERS: [&str; 1] = ["open"];
#[cfg(not(target_os = "macos"))]
const OPENERS: [&str; 2] = ["xdg-open", "wslview"];

/// An opener that still runs after so long shows the page: a browser that was not running yet stays in the foreground.
const SHOWS: Duration = Duration::from_secs(1);

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How a program is started there.
pub type Start<'a> = &'a dyn Fn(&mut Command) -> io::Result<Child>;

/// What came of it.
#[derive(Debug)]
pub enum Opened {
    /// There is no desktop, or nothing that opens it.
    No,
    /// It is shown.
    Yes,
    /// It is shown by this process, which runs on and is to be waited for.
    Shows(Child),
}

/// Opens an address or a file. BROWSER comes first: commands between colons, in which `%s` is what is to be opened.
pub fn open(what: &OsStr, start: Start<'_>) -> Opened {
    let browsers = set("BROWSER").unwrap_or_default();
    let browsers = browsers.to_string_lossy();
    let openers = if is_there() { &OPENERS[..] } else { &[] };
    let all = browsers.split(':').filter(|browser| !browser.trim().is_empty()).chain(openers.iter().copied());
    let mut tried = all.map(|opener| opens(opener, what, start));
    tried.find(|opened| !matches!(opened, Opened::No)).unwrap_or(Opened::No)
}

/// A variable that says something.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn is_there() -> bool {
    cfg!(target_os = "macos") || set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some()
}

/// What shows a notification on the desktop; `None` where there is none.
#[cfg(not(target_os = "macos"))]
pub fn notifier(title: &str, text: &str) -> Option<Command> {
    if !is_there() && set("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return None;
    }
    let mut command = Command::new("notify-send");
    command.args(["--app-name=wrap", "--", title, text]);
    Some(command)
}

/// What shows a notification on the desktop. The texts are arguments of the script, not part of it.
#[cfg(target_os = "macos")]
pub fn notifier(title: &str, text: &str) -> Option<Command> {
    let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
    let mut command = Command::new("osascript");
    command.args(["-e", script, title, text]);
    Some(command)
}

fn opens(opener: &str, what: &OsStr, start: Start<'_>) -> Opened {
    let mut words = opener.split_whitespace().map(|word| match word.split_once("%s") {
        Some((before, after)) => [OsStr::new(before), what, OsStr::new(after)].into_iter().collect(),
        None => OsString::from(word),
    });
    let Some(program) = words.next() else { return Opened::No };
    let mut command = Command::new(program);
    command.args(words);
    if !opener.contains("%s") {
        command.arg(what);
    }
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = start(quiet) else { return Opened::No };
    let begun = Instant::now();
    while begun.elapsed() < SHOWS {
        match child.try_wait() {
            Ok(None) => sleep(LOOK),
            Ok(Some(status)) if status.success() => return Opened::Yes,
            Ok(Some(_)) | Err(_) => return Opened::No,
        }
    }
    Opened::Shows(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opener_is_a_command_and_one_that_fails_is_none() {
        let opens = |opener: &str, what: &str| matches!(opens(opener, OsStr::new(what), &Command::spawn), Opened::Yes);
        assert!(opens("true", "x") && opens("test -n %s", "x"));
        assert!(!opens("false", "x") && !opens("/nowhere/browser", "x") && !opens("", "x"));
        assert!(opens("test pre-%s =  pre-x", "x"));
        let shown = super::opens("sleep %s", OsStr::new("3"), &Command::spawn);
        assert!(matches!(shown, Opened::Shows(_)), "it stays in the foreground: {shown:?}");
    }
}
