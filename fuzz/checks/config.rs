//! Any bytes as settings, of the user or of a project: every warning is one harmless line, and there are few; an
//! untrusted project sets nothing but its name, port and ready pattern.

use super::place;
use std::sync::Once;
use wrap::config::{Loaded, NOT_TRUSTED, load};
use wrap::files::is_hidden;

/// The settings of a project that nobody trusts (the plan's rulings, security).
const OPEN: [&str; 3] = ["name", "port", "ready"];

pub fn check(bytes: &[u8]) {
    static HOME: Once = Once::new();
    // SAFETY: before there is another thread: libFuzzer calls us on one, and the tests' turns have one each.
    HOME.call_once(|| unsafe { std::env::set_var("XDG_CONFIG_HOME", place::dir().join("config")) });
    let user = place::with_file("config/wrap/config.toml", bytes, |_| load(None, NOT_TRUSTED));
    fits(&user);
    let trusted = place::with_file("project/wrap.toml", bytes, |path| load(Some(path), &|_, _, _| Ok(())));
    fits(&trusted);
    let stranger = place::with_file("project/wrap.toml", bytes, |path| load(Some(path), NOT_TRUSTED));
    fits(&stranger);
    let set = stranger.sources.keys().find(|name| !OPEN.iter().any(|open| name.starts_with(open)));
    assert_eq!(set, None);
}

fn fits(loaded: &Loaded) {
    assert!(loaded.warnings.len() <= 10, "{:?}", loaded.warnings);
    for warning in &loaded.warnings {
        assert!(!warning.chars().any(is_hidden) && warning.len() < 2000, "{warning:?}");
    }
    assert!(loaded.config.name.iter().all(|name| !name.is_empty() && !name.chars().any(is_hidden)));
}
