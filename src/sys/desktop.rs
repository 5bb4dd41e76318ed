//! The user's desktop: what opens a page there.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
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

/// Opens an address or a file. BROWSER comes first: commands between colons, in which `%s` is what is to be opened. `false`
/// where there is no desktop, or nothing that opens it.
pub fn open(what: &OsStr) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let browsers = set("BROWSER").unwrap_or_default();
    let browsers = browsers.to_string_lossy();
    if browsers.split(':').filter(|browser| !browser.trim().is_empty()).any(|browser| opens(browser, what)) {
        return true;
    }
    let has_desktop = cfg!(target_os = "macos") || set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    has_desktop && OPENERS.iter().any(|opener| opens(opener, what))
}

fn opens(opener: &str, what: &OsStr) -> bool {
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
    let Ok(mut child) = quiet.spawn() else { return false };
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
        assert!(opens("true", OsStr::new("x")) && opens("test -n %s", OsStr::new("x")));
        assert!(
            !opens("false", OsStr::new("x"))
                && !opens("/nowhere/browser", OsStr::new("x"))
                && !opens("", OsStr::new("x"))
        );
        assert!(opens("test pre-%s =  pre-x", OsStr::new("x")));
        assert!(opens("sleep %s", OsStr::new("3")), "it stays in the foreground");
    }
}
