//! Where things are kept: the user's configuration, the registry and the state that outlives a run.

use std::env;
use std::path::PathBuf;

/// A variable that names an absolute directory; the XDG base directory specification says that a relative
/// one is to be ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The user's home, from HOME alone: without one nothing is kept, and the command still runs.
pub fn home() -> Option<PathBuf> {
    absolute("HOME")
}

/// `WRAP_DIR`, without a slash at its end: with one, the system follows a symbolic link.
pub fn override_dir() -> Option<PathBuf> {
    absolute("WRAP_DIR").map(|dir| dir.components().collect())
}

/// `$XDG_CONFIG_HOME/wrap`, else `~/.config/wrap`: config.toml and hooks/.
pub fn config_dir() -> Option<PathBuf> {
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))?;
    Some(base.join("wrap"))
}

/// `$XDG_STATE_HOME/wrap`, else `state/` under WRAP_DIR, else `~/.local/state/wrap`: logs and history.
pub fn state_dir() -> Option<PathBuf> {
    if let Some(base) = absolute("XDG_STATE_HOME") {
        return Some(base.join("wrap"));
    }
    if let Some(dir) = override_dir() {
        return Some(dir.join("state"));
    }
    Some(home()?.join(".local/state/wrap"))
}

/// The directories that a registry of this user may be in, the one to write to first. With WRAP_DIR it is
/// the only one. Without it all are listed, because a login shell, cron and an editor may each see another
/// environment; whether one exists and is safe is [`crate::registry`]'s question.
pub fn registry_dirs() -> Vec<PathBuf> {
    if let Some(dir) = override_dir() {
        return vec![dir];
    }
    let uid = rustix::process::getuid().as_raw();
    let mut dirs = Vec::with_capacity(3);
    if let Some(base) = absolute("XDG_RUNTIME_DIR") {
        dirs.push(base.join("wrap"));
    }
    let login = PathBuf::from(format!("/run/user/{uid}"));
    // systemd makes it at login; where it is missing it is not ours to make.
    if login.is_dir() && !dirs.contains(&login.join("wrap")) {
        dirs.push(login.join("wrap"));
    }
    dirs.push(PathBuf::from(format!("/tmp/wrap-{uid}")));
    dirs
}
