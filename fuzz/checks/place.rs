//! A directory of this process's own, in memory where there is such a place: what is looked at is read from files.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Made at the first call.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let dir = base.join(format!("wrap-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("config/wrap")).expect("a directory");
        // Where others have access, no log is written.
        std::fs::create_dir_all(dir.join("logs")).expect("a directory");
        set_permissions(dir.join("logs"), Permissions::from_mode(0o700)).expect("its mode");
        // The end of the way up: what stands above is no part of the project.
        std::fs::create_dir_all(dir.join("project/.git")).expect("a directory");
        std::fs::write(dir.join("project/.git/HEAD"), "ref: refs/heads/main\n").expect("a file");
        dir
    })
}

/// Writes a file of it, looks, and takes the file away.
pub fn with_file<T>(name: &str, bytes: &[u8], look: impl FnOnce(&Path) -> T) -> T {
    let path = dir().join(name);
    std::fs::write(&path, bytes).expect("a file");
    let seen = look(&path);
    std::fs::remove_file(&path).expect("it is ours");
    seen
}
