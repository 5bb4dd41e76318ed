//! `wrap init --install` and `--uninstall`: completions and manual pages, where shells and man(1) look for them.

use super::{completions, print};
use crate::cli::{InitArgs, Shell};
use crate::error::reason;
use anyhow::{Context, bail};
use include_dir::{Dir, include_dir};
use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The manual, as it is in `man/`.
static MANUAL: Dir = include_dir!("$CARGO_MANIFEST_DIR/man");

/// Stands near the beginning of every file of ours: what does not have it is somebody else's, and stays as it is.
const MARK: &str = "Of wrap: ";

/// How far the mark is looked for: behind it the text begins.
const MARK_WITHIN: u64 = 256;

/// Everybody reads them.
const FILE_MODE: u32 = 0o644;

/// Below `share`, where each shell looks. PowerShell looks nowhere.
const SCRIPTS: [(Shell, &str); 4] = [
    (Shell::Bash, "bash-completion/completions/wrap"),
    (Shell::Fish, "fish/vendor_completions.d/wrap.fish"),
    (Shell::Nu, "nushell/vendor/autoload/wrap.nu"),
    (Shell::Zsh, "zsh/site-functions/_wrap"),
];

/// Where things go: the directories `share` of the completions, and of the manual.
struct Places {
    share: PathBuf,
    manual: PathBuf,
    /// Directories below this one are taken away with the last file in them.
    top: PathBuf,
    system: bool,
}

/// Puts them there, or takes them away.
pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let places = if args.system { Places::of_system() } else { Places::of_user()? };
    let (said, failures) = if args.uninstall { uninstall(&places) } else { install(&places) };
    print(&said)?;
    for failure in &failures {
        eprintln!("wrap: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Places {
    /// Below /usr/local, as everything that no package brings; DESTDIR goes before it, for those who build packages.
    fn of_system() -> Self {
        let root = env::var_os("DESTDIR").map(PathBuf::from).unwrap_or_default();
        let top = if root.as_os_str().is_empty() { PathBuf::from("/") } else { root }.join("usr/local");
        let share = top.join("share");
        Self { manual: share.join("man"), share, top, system: true }
    }

    fn of_user() -> anyhow::Result<Self> {
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let share = data.or_else(|| home.as_ref().map(|home| home.join(".local/share")));
        let share = share.context("there is no HOME to install into; set it, or say --system")?;
        // man looks beside each directory of PATH (manpath(1)): ~/.cargo/share/man belongs to ~/.cargo/bin.
        let beside = env::current_exe().ok().and_then(|exe| {
            let bin = exe.parent().filter(|dir| dir.ends_with("bin"))?;
            Some(bin.parent()?.join("share/man"))
        });
        let beside = beside.filter(|dir| home.as_ref().is_some_and(|home| dir.starts_with(home)));
        let manual = beside.unwrap_or_else(|| share.join("man"));
        let top = home.filter(|home| share.starts_with(home)).unwrap_or_else(|| share.clone());
        Ok(Self { manual, share, top, system: false })
    }

    /// Every file, and what is to be in it.
    fn files(&self) -> Vec<(PathBuf, &'static [u8])> {
        let pages = MANUAL.files().filter_map(|page| {
            let section = page.path().extension()?.to_str()?;
            Some((self.manual.join(format!("man{section}")).join(page.path()), page.contents()))
        });
        // zsh looks into no directory of a user's.
        let scripts = SCRIPTS.into_iter().filter(|(shell, _)| self.system || *shell != Shell::Zsh);
        let scripts = scripts.map(|(shell, path)| (self.share.join(path), completions::script(shell).as_bytes()));
        scripts.chain(pages).collect()
    }
}

fn install(places: &Places) -> (String, Vec<String>) {
    let mut failures = Vec::new();
    let mut dirs = BTreeSet::new();
    let mut count = 0;
    for (path, content) in places.files() {
        match put(&path, content) {
            Ok(()) => {
                count += 1;
                dirs.extend(path.parent().map(Path::to_owned));
            }
            Err(error) => failures.push(format!("cannot install `{}`: {error:#}", path.display())),
        }
    }
    // One sentence tells as much as the same one for each page.
    if count == 0 {
        failures.truncate(1);
        return (String::new(), failures);
    }
    let mut said = format!("installed {count} files:\n");
    said.extend(dirs.iter().map(|dir| format!("  {}\n", dir.display())));
    if manual() == Manual::NotFound {
        let dir = places.manual.display();
        let _ = writeln!(said, "man(1) does not look there yet: `export MANPATH={dir}:` makes it.");
    }
    said += "For aliases, and for completions in zsh and PowerShell, the shell's rc file needs one line:\n";
    said += "`wrap help init` has it. `wrap init --uninstall";
    said += if places.system { " --system` takes the files away.\n" } else { "` takes the files away.\n" };
    (said, failures)
}

fn uninstall(places: &Places) -> (String, Vec<String>) {
    let mut failures = Vec::new();
    let mut count = 0;
    let dirs: BTreeSet<PathBuf> =
        places.files().into_iter().filter_map(|(path, _)| path.parent().map(Path::to_owned)).collect();
    for dir in dirs {
        // Not only the files of this wrap: an older one may have had others.
        for path in fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if !(name.starts_with(b"wrap") || name == b"_wrap") || !is_ours(&path).unwrap_or(false) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => count += 1,
                Err(error) => failures.push(format!("cannot remove `{}`: {}", path.display(), reason(&error))),
            }
        }
        // Up to the first that has something else in it.
        for dir in dir.ancestors().take_while(|dir| dir.starts_with(&places.top) && *dir != places.top) {
            if fs::remove_dir(dir).is_err() {
                break;
            }
        }
    }
    let said = if count == 0 { "nothing was installed\n".to_owned() } else { format!("removed {count} files\n") };
    (said, failures)
}

/// What man(1) has of us.
#[derive(Debug, PartialEq, Eq)]
pub enum Manual {
    /// There is no man(1).
    NoMan,
    /// `man wrap` answers, from there.
    Found(String),
    /// It does not.
    NotFound,
}

/// Asks man(1).
pub fn manual() -> Manual {
    let asked = Command::new("man").args(["-w", "1", "wrap"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match asked {
        Err(_) => Manual::NoMan,
        Ok(output) if output.status.success() => {
            Manual::Found(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(_) => Manual::NotFound,
    }
}

/// Whether the completions of a shell were installed, for this user or for all, by `wrap init` or by a package.
pub fn has_completions(shell: Shell) -> bool {
    let shares =
        [Some(Places::of_system().share), Places::of_user().ok().map(|own| own.share), Some("/usr/share".into())];
    let paths = SCRIPTS.into_iter().chain([(Shell::Zsh, "zsh/vendor-completions/_wrap")]);
    let paths: Vec<&str> = paths.filter(|(of, _)| *of == shell).map(|(_, path)| path).collect();
    shares.iter().flatten().any(|share| paths.iter().any(|path| is_ours(&share.join(path)).unwrap_or(false)))
}

/// Whole or not at all, over an older one of ours; never over, or through, what is somebody else's.
fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let there = fs::symlink_metadata(path);
    if there.is_ok() && !is_ours(path)? {
        bail!("there is one that is not wrap's; move it away first");
    }
    let dir = path.parent().context("it has no directory")?;
    fs::create_dir_all(dir).map_err(|error| anyhow::anyhow!(denied(&error)))?;
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(FILE_MODE))
        .tempfile_in(dir)
        .map_err(|error| anyhow::anyhow!(denied(&error)))?;
    file.write_all(content)?;
    // The umask is for what a user keeps to himself.
    file.as_file().set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    file.persist(path)?;
    Ok(())
}

fn denied(error: &io::Error) -> String {
    let why = reason(error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        format!("{why}; try it with sudo, or without --system")
    } else {
        why
    }
}

/// Whether it is a file that has the mark; a link is not, wherever it leads.
fn is_ours(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut text = Vec::new();
    File::open(path)?.take(MARK_WITHIN).read_to_end(&mut text)?;
    Ok(memchr::memmem::find(&text, MARK.as_bytes()).is_some())
}
