//! Links the C++ runtime, which Luau needs, into the executable where the compiler has a static one: to load it at
//! each start would take longer than anything else in it, and it cannot be missing or too old on another machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A library that is linked, and the archive that is to be found under its name.
const ARCHIVES: [(&str, &str); 2] = [("libstdc++.a", "libstdc++.a"), ("libgcc_s.a", "libgcc_eh.a")];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CXX");
    let is_native = env::var("HOST") == env::var("TARGET");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let with_glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if !(is_native && is_linux && with_glibc) {
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let found: Option<Vec<_>> = ARCHIVES.iter().map(|(name, archive)| Some((name, archive_path(archive)?))).collect();
    // Both or none: the runtime's exceptions and Rust's panics must unwind by the same code.
    for (name, archive) in found.unwrap_or_default() {
        if fs::copy(archive, out.join(name)).is_err() {
            return;
        }
    }
    // Searched before the compiler's own directories, in which the shared libraries stand.
    println!("cargo:rustc-link-search=native={}", out.display());
}

/// Where the compiler has this file; `None` where it has none (Fedora ships the static runtime apart).
fn archive_path(name: &str) -> Option<PathBuf> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let output = Command::new(compiler).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    Some(path).filter(|path| path.is_absolute() && Path::exists(path))
}
