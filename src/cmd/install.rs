//! `wrap init --install` and `--uninstall`: completions and manual pages, where shells and man(1) look for them.
//!
//! What was put where is written down (`share/wrap/installed`), so that exactly that can be taken away again: by a later
//! wrap, which has other files, and by one that lies elsewhere, too.

use super::manual::{Manual, manual};
use super::{completions, print};
use crate::cli::{InitArgs, Shell};
use crate::error::reason;
use anyhow::{Context, bail};
use include_dir::{Dir, include_dir};
use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The manual, as it is in `man/`.
static MANUAL: Dir = include_dir!("$CARGO_MANIFEST_DIR/man");

/// Stands near the beginning of every file of ours: what does not have it is somebody else's, and stays as it is.
const MARK: &str = "Of wrap: ";

/// How far the mark is looked for: behind it the text begins.
const MARK_WITHIN: u64 = 256;

/// Everybody reads them, whatever the umask hides of one's own.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// Below `share`: a path a line, as seen from [`Places::top`]; directories that were made for it end with a slash.
const RECORD: &str = "wrap/installed";

/// More than a record of ours can be: some forty paths.
const RECORD_BYTES: u64 = 64 * 1024;

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
    /// Everything is below it.
    top: PathBuf,
    reach: Reach,
}

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    User,
    System,
    /// A package that is put together below DESTDIR: nothing there is in use.
    Package,
}

/// Puts them there, or takes them away.
pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let places = if args.system { Places::of_system() } else { Places::of_user()? };
    let (said, mut failures) = if args.uninstall { places.uninstall() } else { places.install() };
    print(&said)?;
    let us = rustix::process::geteuid();
    if !failures.is_empty() && places.reach == Reach::System && !us.is_root() {
        failures.push("what is for everybody takes root: sudo wrap init … --system".to_owned());
    }
    for failure in &failures {
        complain!("wrap: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the completions of a shell were installed, for this user or for all, by `wrap init` or by a package.
pub fn has_completions(shell: Shell) -> bool {
    let own = Places::of_user().ok().map(|own| own.share);
    let shares = [own, Some("/usr/local/share".into()), Some("/usr/share".into())];
    let paths = SCRIPTS.into_iter().chain([(Shell::Zsh, "zsh/vendor-completions/_wrap")]);
    let paths: Vec<&str> = paths.filter(|(of, _)| *of == shell).map(|(_, path)| path).collect();
    shares.iter().flatten().any(|share| paths.iter().any(|path| is_ours(&share.join(path)).unwrap_or(false)))
}

/// Where this user's manual was installed, if it was.
pub fn own_manual() -> Option<PathBuf> {
    let dir = Places::of_user().ok()?.manual;
    is_ours(&dir.join("man1/wrap.1")).is_ok_and(|ours| ours).then_some(dir)
}

impl Places {
    /// Below /usr/local, as everything that no package brings; DESTDIR goes before it, for those who build packages.
    fn of_system() -> Self {
        let root = env::var_os("DESTDIR").map(PathBuf::from).filter(|root| !root.as_os_str().is_empty());
        let reach = if root.is_some() { Reach::Package } else { Reach::System };
        let top = root.unwrap_or_else(|| "/".into()).join("usr/local");
        let share = top.join("share");
        Self { manual: share.join("man"), share, top, reach }
    }

    fn of_user() -> anyhow::Result<Self> {
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let home = home.context("there is no HOME to install into; set it, or say --system")?;
        // As root in a user's home (`sudo`), files of root's would lie there, and links of the user's would be followed.
        let owner = fs::metadata(&home).map(|meta| meta.uid());
        let us = rustix::process::geteuid().as_raw();
        if owner.as_ref().is_ok_and(|owner| *owner != us) {
            bail!("`{}` is not your home; run it without sudo, or say --system", home.display());
        }
        let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let share = data.unwrap_or_else(|| home.join(".local/share"));
        // man looks beside each directory of PATH (manpath(1)): ~/.cargo/share/man belongs to ~/.cargo/bin.
        let beside = env::current_exe().ok().and_then(|exe| {
            let bin = exe.parent().filter(|dir| dir.ends_with("bin"))?;
            Some(bin.parent()?.join("share/man")).filter(|dir| dir.starts_with(&home))
        });
        Ok(Self { manual: beside.unwrap_or_else(|| share.join("man")), share, top: home, reach: Reach::User })
    }

    /// Every file, and what is to be in it.
    fn files(&self) -> Vec<(PathBuf, &'static [u8])> {
        let pages = MANUAL.files().filter_map(|page| {
            let section = page.path().extension()?.to_str()?;
            Some((self.manual.join(format!("man{section}")).join(page.path()), page.contents()))
        });
        // zsh looks into no directory of a user's.
        let scripts = SCRIPTS.into_iter().filter(|(shell, _)| self.reach != Reach::User || *shell != Shell::Zsh);
        let scripts = scripts.map(|(shell, path)| (self.share.join(path), completions::script(shell).as_bytes()));
        scripts.chain(pages).collect()
    }

    fn install(&self) -> (String, Vec<String>) {
        let mut failures = Vec::new();
        let mut record = self.record();
        let before = record.len();
        for (path, content) in self.files() {
            let mut made = Vec::new();
            let done = put(&path, content, &mut made);
            record.extend(made.iter().map(|dir| self.named(dir, "/")));
            match done {
                Ok(()) => record.extend([self.named(&path, "")]),
                Err(error) => failures.push(format!("cannot install `{}`: {error:#}", path.display())),
            }
        }
        if record.len() == before && before == 0 {
            // One sentence tells as much as the same one for each page.
            failures.truncate(1);
            return (String::new(), failures);
        }
        // Its own directory has to be in it.
        let path = self.share.join(RECORD);
        let mut made = Vec::new();
        let kept = put(&path, MARK.as_bytes(), &mut made);
        record.extend(made.iter().map(|dir| self.named(dir, "/")));
        let text = record
            .iter()
            .fold(format!("{MARK}what `wrap init --install` has put here\n"), |text, line| text + line + "\n");
        if let Err(error) = kept.and_then(|()| put(&path, text.as_bytes(), &mut made)) {
            failures.push(format!(
                "cannot write `{}`: {error:#}; `--uninstall` will not know what was installed",
                path.display()
            ));
        }
        let files: Vec<&String> = record.iter().filter(|line| !line.ends_with('/')).collect();
        let dirs: BTreeSet<&Path> = files.iter().filter_map(|line| Path::new(line).parent()).collect();
        let mut said = format!("{} files are installed:\n", files.len());
        said.extend(dirs.iter().map(|dir| format!("  {}\n", self.top.join(dir).display())));
        if self.reach != Reach::Package && manual() == Manual::NotFound {
            let dir = self.manual.display();
            let _ = writeln!(said, "man(1) does not look there yet: `export MANPATH={dir}:` makes it.");
        }
        said += "For aliases, and for completions in zsh and PowerShell, the shell's rc file needs one line:\n";
        said += "`wrap help init` has it. `wrap init --uninstall";
        said +=
            if self.reach == Reach::User { "` takes the files away.\n" } else { " --system` takes the files away.\n" };
        (said, failures)
    }

    fn uninstall(&self) -> (String, Vec<String>) {
        let mut failures = Vec::new();
        let mut record = self.record();
        if record.is_empty() {
            return ("nothing is installed\n".to_owned(), failures);
        }
        let count = record.iter().filter(|line| !line.ends_with('/')).count();
        record.insert(self.named(&self.share.join(RECORD), ""));
        // Backwards, what is in a directory comes before it.
        for line in record.iter().rev() {
            let path = self.top.join(line);
            let removed = match line.strip_suffix('/') {
                // One that somebody else has put something into stays.
                Some(_) => fs::remove_dir(&path).or_else(|error| match error.kind() {
                    io::ErrorKind::DirectoryNotEmpty => Ok(()),
                    _ => Err(error),
                }),
                None if is_ours(&path).is_ok_and(|ours| !ours) => continue,
                None => fs::remove_file(&path),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    failures.push(format!("cannot remove `{}`: {}", path.display(), reason(&error)));
                }
                _ => {}
            }
        }
        failures.truncate(1);
        let said = if failures.is_empty() { format!("{count} files were removed\n") } else { String::new() };
        (said, failures)
    }

    /// What was written down, if it is ours.
    fn record(&self) -> BTreeSet<String> {
        let path = self.share.join(RECORD);
        let mut text = String::new();
        let read = is_ours(&path).is_ok_and(|ours| ours)
            && File::open(&path).and_then(|file| file.take(RECORD_BYTES).read_to_string(&mut text)).is_ok();
        if !read {
            return BTreeSet::new();
        }
        text.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// A path as it stands in the record.
    fn named(&self, path: &Path, end: &str) -> String {
        // The top itself may have been made for it; as nothing but a slash it would be the root.
        let below = path.strip_prefix(&self.top).ok().filter(|below| !below.as_os_str().is_empty());
        format!("{}{end}", below.unwrap_or(path).display())
    }
}

/// Whole or not at all, over an older one of ours; never over, or through, what is somebody else's. The directories that
/// were made for it go to `made`.
fn put(path: &Path, content: &[u8], made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let is_there = fs::symlink_metadata(path).is_ok();
    if is_there && !is_ours(path)? {
        bail!("there is one that is not wrap's; move it away first");
    }
    let dir = path.parent().context("it has no directory")?;
    let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        DirBuilder::new().mode(DIRECTORY_MODE).create(dir).map_err(|error| anyhow::anyhow!(reason(&error)))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        made.push(dir.to_owned());
    }
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|error| anyhow::anyhow!(reason(&error)))?;
    file.write_all(content)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    // Somebody may have put one of his there just now.
    if is_there {
        file.persist(path)?
    } else {
        file.persist_noclobber(path)?
    };
    Ok(())
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
