//! What wrap says of itself beyond the list of its options: the one source of the help, of the manual pages and of the
//! README's table of verbs.

/// What the help and the manual page of a verb say beside its options.
#[derive(Debug)]
pub struct Page {
    /// The verb; empty for wrap itself.
    pub verb: &'static str,
    /// Paragraphs, with an empty line between them; lines that begin with two spaces stay as they are.
    pub text: &'static str,
    /// Command lines, and what each does.
    pub examples: &'static [Said],
    /// Exit codes.
    pub exits: &'static [Said],
    /// Files and directories.
    pub files: &'static [Said],
    /// Variables of the environment.
    pub environment: &'static [Said],
    /// Pages to read next, as `wrap-list(1)`.
    pub see_also: &'static [&'static str],
}

/// A thing, and what there is to say of it.
pub type Said = (&'static str, &'static str);

/// A heading, and the verbs below it.
pub type Group = (&'static str, &'static [&'static str]);

/// Every verb, in the order of the help.
pub const GROUPS: &[Group] = &[
    ("Run", &["run", "start", "restart", "stop", "adopt"]),
    ("Look", &["list", "show", "logs", "screen", "wait"]),
    ("Take part", &["attach", "detach", "send"]),
    ("All on one page", &["ui", "center"]),
    ("Set up", &["init", "config", "hooks", "trust", "doctor", "clean", "completions", "help"]),
];

const USAGE: Said = ("2", "wrong usage");
const NO_TARGET: [Said; 2] = [("2", "wrong usage, or several are called TARGET"), ("3", "there is no such TARGET")];
const CONFIG_FILE: Said = ("~/.config/wrap/config.toml", "your settings, see wrap.toml(5)");
const PROJECT_FILE: Said = ("wrap.toml", "a project's settings, see wrap.toml(5)");
const USER_HOOKS: Said = ("~/.config/wrap/hooks/", "your hooks, see wrap-hooks(7)");
const PROJECT_HOOKS: Said = (".wrap/hooks/", "a project's hooks, which run once you trust it");
const TRUST_FILE: Said = ("~/.local/state/wrap/trust.json", "what you have trusted");
const LOGS: Said = ("~/.local/state/wrap/logs/", "a log of each run, of 20 MiB at most, 200 MiB together");
const HISTORY: Said = ("~/.local/state/wrap/history/", "the last 50 runs that have ended");
const REGISTRY: Said = (
    "$XDG_RUNTIME_DIR/wrap/",
    "the registry: an entry and a socket for each instance; else /run/user/UID/wrap/, else /tmp/wrap-UID/",
);
const COLOURS: Said = ("NO_COLOR, CLICOLOR_FORCE", "no colours; colours also in a pipe");

/// A page for each verb, and the first for wrap itself.
pub const PAGES: &[Page] = &[
    Page {
        verb: "",
        text: "\
Everything after the first word of COMMAND belongs to it, and reaches it untouched. `wrap` alone runs the project's own \
dev command: the first of the scripts dev, develop, serve and start of package.json, or `docker compose up`.

While it runs, every terminal can see it, with its project, its port and its health, and can follow it, attach to it, type \
into it, restart it and stop it. When it ends, nothing of it is left, whichever way it ended. wrap says nothing of its own \
when all is well; what it has to say begins with `wrap: ` and goes to standard error.

A TARGET is an id, the short id that `wrap list` shows, a name, :PORT or a pid.",
        examples: &[
            ("wrap npm run dev", "run it, known to every terminal"),
            ("alias dev='wrap npm run dev'", "the same, as one word"),
            ("wrap list", "what is running, where, and how it is"),
            ("wrap stop :3000", "end what answers on port 3000"),
            ("wrap -- list", "run a command whose name is a verb"),
            ("WRAP=0 wrap npm run dev", "run it as if wrap were not there"),
        ],
        exits: &[
            ("*", "the command's own; 128 and the number where a signal ended it"),
            ("125", "a start hook has refused it"),
            ("126", "it cannot be run"),
            ("127", "it is not found"),
            USAGE,
        ],
        files: &[CONFIG_FILE, USER_HOOKS, PROJECT_FILE, PROJECT_HOOKS, REGISTRY, LOGS, HISTORY, TRUST_FILE],
        environment: &[
            ("WRAP", "0: the command is run as if wrap were not there"),
            ("WRAP_DIR", "where the registry is, and below it, in state/, logs and history"),
            ("WRAP_CENTER", "goes over the setting `center`"),
            ("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "where settings, logs and the registry are"),
            ("WRAP_INSTANCE_ID, WRAP_SOCKET", "set for the command: its id, and the socket that its keeper answers on"),
            COLOURS,
        ],
        see_also: &["wrap.toml(5)", "wrap-hooks(7)", "wrap-run(1)", "wrap-list(1)", "wrap-init(1)", "wrap-doctor(1)"],
    },
    Page {
        verb: "run",
        text: "\
`wrap COMMAND` is short for it; the whole word is needed where COMMAND is called as a verb is. Without COMMAND, the \
project's own dev command: the first of the scripts dev, develop, serve and start of package.json, or `docker compose up`.

With -d it prints its name, id, port and URL, and returns; what dies at once gives its exit code and its last lines.",
        examples: &[
            ("wrap run list", "run a command called `list`"),
            ("wrap run -n api cargo run", "under a name of its own"),
            ("wrap run -d npm run dev", "leave it running and return"),
            ("wrap -d --wait npm run dev", "and return when it is ready"),
            ("wrap --ensure npm run dev", "the one that runs, or a new one"),
        ],
        exits: &[
            ("*", "the command's own; 128 and the number where a signal ended it"),
            ("0", "with -d or --ensure: it runs"),
            ("1", "with --ensure: it cannot be ensured"),
            ("4", "with --wait or --ensure: it runs, and is not ready in time"),
            ("125", "a start hook has refused it"),
            ("126", "it cannot be run"),
            ("127", "it is not found"),
            USAGE,
        ],
        files: &[CONFIG_FILE, PROJECT_FILE],
        environment: &[("WRAP", "0: the command is run as if wrap were not there")],
        see_also: &["wrap(1)", "wrap-list(1)", "wrap-attach(1)", "wrap.toml(5)"],
    },
    Page {
        verb: "start",
        text: "\
Its command, its directory, its name and its --port are as they were; the environment is this shell's. Of several that \
have ended and are called so, the newest is meant.",
        examples: &[
            ("wrap list --all", "what has ended"),
            ("wrap start shop --wait", "start it, and return when it is ready"),
        ],
        exits: &[
            ("0", "started"),
            ("1", "it still runs, or cannot be started"),
            NO_TARGET[0],
            NO_TARGET[1],
            ("4", "it is not ready in time"),
            ("*", "the command's own where it ended at once"),
        ],
        files: &[HISTORY],
        environment: &[],
        see_also: &["wrap-restart(1)", "wrap-list(1)"],
    },
    Page {
        verb: "restart",
        text: "\
First it is looked whether it would start: is the command found, is its directory there, is its port free? If not, the old \
run goes on. Attached terminals stay. Then it waits until the new run is ready, as long as `ready_timeout` allows. The \
environment is the one that it had.",
        examples: &[
            ("wrap restart shop", "the same command, in the same terminals"),
            ("wrap restart shop --env-from-here", "with this shell's environment"),
        ],
        exits: &[
            ("0", "it runs again"),
            ("1", "it could not be restarted"),
            NO_TARGET[0],
            NO_TARGET[1],
            ("4", "it is not ready in time"),
        ],
        files: &[],
        environment: &[],
        see_also: &["wrap-start(1)", "wrap-stop(1)"],
    },
    Page {
        verb: "stop",
        text: "\
SIGTERM goes to the whole process group, SIGKILL after `grace` seconds (5). It returns when nothing is left and the exit \
hooks are through.",
        examples: &[
            ("wrap stop shop", "by its name"),
            ("wrap stop :3000", "by its port"),
            ("wrap stop $(wrap list -q --filter branch=old)", "all of a branch"),
            ("wrap stop --all", "every one of yours"),
        ],
        exits: &[("0", "ended"), ("1", "something could not be ended"), NO_TARGET[0], NO_TARGET[1]],
        files: &[],
        environment: &[],
        see_also: &["wrap-list(1)", "wrap-clean(1)", "wrap-restart(1)"],
    },
    Page {
        verb: "adopt",
        text: "It is listed, with its health, and can be stopped; its terminal and its output stay where they are.",
        examples: &[
            ("wrap adopt 4711", "the process with this pid"),
            ("wrap adopt :5432 --name db", "what listens on this port"),
        ],
        exits: &[("0", "adopted"), ("1", "it cannot be"), USAGE, ("3", "there is no such process")],
        files: &[],
        environment: &[],
        see_also: &["wrap-list(1)", "wrap-stop(1)"],
    },
    Page {
        verb: "list",
        text: "\
Newest first. On a terminal it shows how long ago each was started; elsewhere, and in columns, the time. What died without a \
trace is removed on the way.

Columns: id uuid name port url status type command cwd root branch pid started uptime. A filter by status looks at all.",
        examples: &[
            ("wrap list --all", "also what is not well, and what has ended"),
            ("wrap list --watch", "again at each change"),
            ("wrap list -o name,port,url", "these columns; tabs in a pipe"),
            ("wrap list --filter name~shop --sort port", "what has `shop` in its name"),
            ("wrap list -f json | jq '.[].url'", "for programs"),
        ],
        exits: &[("0", "shown, also where nothing runs"), USAGE],
        files: &[REGISTRY, HISTORY],
        environment: &[COLOURS],
        see_also: &["wrap-show(1)", "wrap-logs(1)", "wrap-ui(1)"],
    },
    Page {
        verb: "show",
        text: "Of several that have ended the newest is meant.",
        examples: &[("wrap show shop", "for people"), ("wrap show :3000 --json", "for programs")],
        exits: &[("0", "shown"), NO_TARGET[0], NO_TARGET[1]],
        files: &[REGISTRY, HISTORY],
        environment: &[COLOURS],
        see_also: &["wrap-list(1)", "wrap-logs(1)"],
    },
    Page {
        verb: "logs",
        text: "\
WHEN is a duration back from now (5m, 1h30m, 2d) or a time (15:00, \"2026-11-21 15:00\", RFC 3339).

On a terminal, colours and links are shown and every other control sequence is taken out; elsewhere there is only the \
text. A line that was written over, such as a progress bar, is shown as it last stood.",
        examples: &[
            ("wrap logs shop -f -n 100", "the last 100 lines, and what comes"),
            ("wrap logs :3000 --since 5m --grep 'error|warn'", "lines that match"),
            ("wrap logs shop --json | jq -r 'select(.stream == \"err\").line'", "for programs"),
        ],
        exits: &[("0", "shown, also where nothing is logged"), ("1", "failed"), NO_TARGET[0], NO_TARGET[1]],
        files: &[LOGS],
        environment: &[COLOURS],
        see_also: &["wrap-attach(1)", "wrap-show(1)"],
    },
    Page {
        verb: "screen",
        text: "It needs a terminal of wrap's own: a command in a pipe has none.",
        examples: &[
            ("wrap screen shop", "its text"),
            ("wrap screen shop --html > shop.html", "with its colours, as a page"),
        ],
        exits: &[("0", "shown"), ("1", "it has no screen, or cannot be asked"), NO_TARGET[0], NO_TARGET[1]],
        files: &[],
        environment: &[],
        see_also: &["wrap-attach(1)", "wrap-logs(1)"],
    },
    Page {
        verb: "wait",
        text: "\
One that has ended counts, too: `exit` is true of it at once.

  ready    its port answers, or it has printed the configured text; where
           nothing tells, when it counts as running
  healthy  it answers now
  exit     it has ended; prints how
  log=RE   a line that it has printed matches the regular expression RE;
           prints the line",
        examples: &[
            ("wrap wait shop", "until it is ready"),
            ("wrap wait shop --for log='compiled in \\d+' --timeout 60", "until it has said so"),
            ("wrap wait shop --for exit", "until it has ended"),
        ],
        exits: &[
            ("0", "it came true"),
            ("1", "it has ended before"),
            NO_TARGET[0],
            NO_TARGET[1],
            ("4", "not within --timeout"),
            ("130", "interrupted by Ctrl-C"),
        ],
        files: &[],
        environment: &[],
        see_also: &["wrap-run(1)", "wrap-logs(1)"],
    },
    Page {
        verb: "attach",
        text: "\
Ctrl-\\ d (two keys) leaves it running and gives the prompt back, in the terminal that started it, too. The keys can be \
changed in config.toml: detach_keys = \"ctrl-a d\", or \"off\". The size is the smallest of the terminals that may type. \
It ends as the command does.",
        examples: &[
            ("wrap attach shop", "its screen and its keys"),
            ("wrap attach :3000 --read-only", "look on"),
        ],
        exits: &[
            ("*", "the command's own"),
            ("0", "detached"),
            ("1", "it cannot be attached to"),
            NO_TARGET[0],
            NO_TARGET[1],
        ],
        files: &[CONFIG_FILE],
        environment: &[],
        see_also: &["wrap-detach(1)", "wrap-screen(1)", "wrap-send(1)"],
    },
    Page {
        verb: "detach",
        text: "Every terminal that it has gets its prompt back.",
        examples: &[("wrap detach shop", "let it go")],
        exits: &[("0", "done"), ("1", "it cannot be detached"), NO_TARGET[0], NO_TARGET[1]],
        files: &[],
        environment: &[],
        see_also: &["wrap-attach(1)"],
    },
    Page {
        verb: "send",
        text: "\
Control sequences in TEXT are taken out, unless --raw says that they are meant. With `-` the text is read from standard \
input, each line of it a line. Keys: enter, tab, esc, up, down, left, right, home, end, pageup, pagedown, f1 to f12, \
ctrl-c, alt-x, or a single character.",
        examples: &[
            ("wrap send shop rs", "type `rs` and Enter"),
            ("wrap send shop --key ctrl-c", "press a key"),
            ("wrap send shop --no-newline y", "without Enter"),
            ("git log -1 --format=%s | wrap send shop -", "from standard input"),
        ],
        exits: &[
            ("0", "it arrived"),
            ("1", "it cannot be sent"),
            NO_TARGET[0],
            NO_TARGET[1],
            ("4", "it was not taken in time"),
        ],
        files: &[],
        environment: &[],
        see_also: &["wrap-attach(1)", "wrap-screen(1)"],
    },
    Page {
        verb: "ui",
        text: "\
Starts a control center in the background where none runs. The link works once; where no browser can be opened it is \
printed.",
        examples: &[("wrap ui", "open it"), ("wrap ui --print", "only the link")],
        exits: &[("0", "opened or printed"), ("1", "there is no control center to be had")],
        files: &[],
        environment: &[("BROWSER", "what opens a page; commands with a colon between them, %s is the address")],
        see_also: &["wrap-center(1)", "wrap-list(1)"],
    },
    Page {
        verb: "center",
        text: "\
It listens on 127.0.0.1 and [::1] only, and needs a token: `wrap ui` opens a page that is signed in. One runs for a user; \
Ctrl-C, SIGTERM or --stop end it. The commands do not need it and do not notice it.

An ORIGIN is a page of yours that may ask, too, with the token: https://app.local:3000 exactly, or app.local with any \
scheme and port.",
        examples: &[
            ("wrap center", "until Ctrl-C"),
            ("wrap center -d", "in the background"),
            ("wrap center --stop", "end it"),
        ],
        exits: &[("0", "it runs, or ran, or there was none to stop"), ("1", "the port is taken, or it failed"), USAGE],
        files: &[
            ("$XDG_RUNTIME_DIR/wrap/center.json", "where it listens, while it runs"),
            ("$XDG_RUNTIME_DIR/wrap/center.token", "what its API asks for"),
            CONFIG_FILE,
        ],
        environment: &[("WRAP_CENTER", "goes over the setting `center`")],
        see_also: &["wrap-ui(1)", "wrap.toml(5)"],
    },
    Page {
        verb: "init",
        text: "\
One line in the shell's rc file, and `dev` works and Tab completes:

  bash        eval \"$(wrap init bash)\"
  zsh         eval \"$(wrap init zsh)\"        behind compinit
  fish        wrap init fish | source
  nushell     mkdir ($nu.data-dir | path join vendor/autoload)
              wrap init nu | save -f ($nu.data-dir | path join vendor/autoload/init-wrap.nu)
  PowerShell  wrap init pwsh | Out-String | Invoke-Expression

Aliases come from config.toml, and from --alias. One that would hide a command is not made, with the reason on standard \
error. In bash and zsh, aliases of your own expand behind `wrap`, too. nushell has a `wrap` of its own: there it is `^wrap`.

  [alias]
  dev = \"npm run dev\"

The aliases and functions that a shell has of your own cannot be seen; one of wrap's goes over them.

--install puts the completions and the manual pages where the shells and man(1) find them, and says where; --uninstall \
takes exactly these away again. With DESTDIR in the environment, --system goes below that.",
        examples: &[
            ("wrap init bash --alias dev='npm run dev'", "with an alias that is in no file"),
            ("wrap init --install", "completions and manual, for you"),
            ("sudo wrap init --install --system", "for everybody, below /usr/local"),
            ("wrap init --uninstall", "take them away"),
        ],
        exits: &[("0", "done"), ("1", "something could not be written, or is not wrap's"), USAGE],
        files: &[CONFIG_FILE, ("~/.local/share/wrap/installed", "what --install has put where")],
        environment: &[
            ("XDG_DATA_HOME", "where completions go; ~/.local/share without"),
            ("DESTDIR", "goes before /usr/local, for those who build packages"),
        ],
        see_also: &["wrap-completions(1)", "wrap.toml(5)", "wrap-doctor(1)"],
    },
    Page {
        verb: "config",
        text: "\
Settings are read from config.toml and from the project's wrap.toml. Editors complete and check them with the schema: put \
`#:schema PATH` into the first line of the file. What is not used is said.",
        examples: &[
            ("wrap config", "what is in force in this directory"),
            ("wrap config --schema project > wrap.schema.json", "for your editor"),
        ],
        exits: &[("0", "shown, also where something in a file is not used"), USAGE],
        files: &[CONFIG_FILE, PROJECT_FILE],
        environment: &[("WRAP_CENTER", "goes over the setting `center`")],
        see_also: &["wrap.toml(5)", "wrap-trust(1)"],
    },
    Page {
        verb: "hooks",
        text: "\
Hooks are Lua files that run at the events of a run: your own, those of a project that is trusted, and those that ship \
with wrap and are named in the configuration: hooks = [\"notify\"]. wrap-hooks(7) has what they can do, and recipes.

`test` runs the handlers of an event for a made instance, or for TARGET, and shows what they did: what they would set, \
type and end is only shown; programs and requests of theirs do run.

Events: start ready unhealthy healthy line restart exit stale.",
        examples: &[
            ("wrap hooks", "which there are, and how they fared"),
            ("wrap hooks new tell", "begin one; --from notify copies a shipped one"),
            ("wrap hooks test exit tell", "what it does at an exit"),
            ("wrap hooks test line tell --line 'ERROR: no database'", "what it does at a line"),
            ("wrap hooks check", "mistakes, with line and column"),
        ],
        exits: &[("0", "all is well"), ("1", "a hook failed, or has a mistake"), USAGE],
        files: &[USER_HOOKS, PROJECT_HOOKS],
        environment: &[],
        see_also: &["wrap-hooks(7)", "wrap-trust(1)", "wrap.toml(5)"],
    },
    Page {
        verb: "trust",
        text: "\
A project brings hooks in `.wrap/hooks/`, and settings in `wrap.toml` that can run or reach something. They are used only \
after you have said so, and your word holds for all of `.wrap/` and that file as they are now: any edit, by anybody, needs \
another. Directories of which every project is trusted can be named in config.toml: trusted = [\"~/work\"]. Files that \
others can write to, and links, are refused.",
        examples: &[
            ("wrap trust --show", "what would run, with the text"),
            ("wrap trust", "this project's may"),
            ("wrap trust --revoke", "not any more"),
            ("wrap trust --list", "all that is trusted"),
        ],
        exits: &[("0", "done"), ("1", "it cannot be trusted, or was not"), USAGE],
        files: &[PROJECT_HOOKS, PROJECT_FILE, TRUST_FILE],
        environment: &[],
        see_also: &["wrap-hooks(7)", "wrap.toml(5)"],
    },
    Page {
        verb: "doctor",
        text: "\
Looks at the directories and their rights, the settings, the hooks and their trust, the instances and their keepers, the \
control center, the clock, the terminal, the shell and the manual. It changes nothing.",
        examples: &[
            ("wrap doctor", "what is odd, and what to do"),
            ("wrap doctor --json | jq '.[] | select(.state != \"well\")'", "for programs"),
        ],
        exits: &[("0", "no problem was found (a note is none)"), ("1", "there is one")],
        files: &[],
        environment: &[],
        see_also: &["wrap-init(1)", "wrap-clean(1)"],
    },
    Page {
        verb: "clean",
        text: "\
`wrap list` removes entries of what is gone on its way; this does it alone, and lists what runs on although its keeper is \
gone.",
        examples: &[("wrap clean", "remove, and list"), ("wrap clean --kill", "and end what was orphaned")],
        exits: &[("0", "done"), ("1", "something could not be ended")],
        files: &[REGISTRY],
        environment: &[],
        see_also: &["wrap-list(1)", "wrap-stop(1)"],
    },
    Page {
        verb: "completions",
        text: "`wrap init` has them, too. They ask wrap at each Tab, and complete a wrapped command as the shell itself would.",
        examples: &[
            ("wrap completions bash > ~/.local/share/bash-completion/completions/wrap", "where bash looks"),
            ("wrap completions fish > ~/.config/fish/completions/wrap.fish", "where fish looks"),
        ],
        exits: &[("0", "printed"), USAGE],
        files: &[],
        environment: &[],
        see_also: &["wrap-init(1)"],
    },
    Page {
        verb: "help",
        text: "`wrap VERB --help` is the same; `-h` is a summary.",
        examples: &[("wrap help logs", "the help of `wrap logs`")],
        exits: &[("0", "printed"), ("2", "there is no such verb")],
        files: &[],
        environment: &[],
        see_also: &["wrap(1)"],
    },
];

/// The page of a verb; of wrap itself for none.
pub fn of(verb: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.verb == verb)
}
