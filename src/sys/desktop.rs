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

/// Opens an address or a file. BROWSER comes first: commands between colons, in which `%s` is what is to be opened. `false`
/// where there is no desktop, or nothing that opens it.
pub fn open(what: &OsStr, start: Start<'_>) -> bool {
    let browsers = set("BROWSER").unwrap_or_default();
    let browsers = browsers.to_string_lossy();
    if browsers.split(':').filter(|browser| !browser.trim().is_empty()).any(|browser| opens(browser, what, start)) {
        return true;
    }
    is_there() && OPENERS.iter().any(|opener| opens(opener, what, start))
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

fn opens(opener: &str, what: &OsStr, start: Start<'_>) -> bool {
    let mut words = opener.split_whitespace().map(|word| match word.split_once("%s") {
        Some((before, after)) => [OsStr::new(before), what, OsStr::new(after)].into_iter().collect(),
        None => OsString::from(word),
    });
    let Some(program) = words.next() else { return false };
    let mut command = Command::new(program);
    command.args(words);
    if !opener.contains("%s") {
        command.arg(what);
    }
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = start(quiet) else { return false };
    let begun = Instant::now();
    while begun.elapsed() < SHOWS {
        match child.try_wait() {
            Ok(None) => sleep(LOOK),
            Ok(Some(status)) => return status.success(),
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opener_is_a_command_and_one_that_fails_is_none() {
        let opens = |opener: &str, what: &str| opens(opener, OsStr::new(what), &Command::spawn);
        assert!(opens("true", "x") && opens("test -n %s", "x"));
        assert!(!opens("false", "x") && !opens("/nowhere/browser", "x") && !opens("", "x"));
        assert!(opens("test pre-%s =  pre-x", "x"));
        assert!(opens("sleep %s", "3"), "it stays in the foreground");
    }
}
