//! The recipes of docs/hooks.md, each taken from the page and used; and the types for editors.

use crate::harness::{CTRL_C, Ending, Sandbox, signal, wait_gone};
use std::collections::BTreeSet;
use std::path::Path;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hooks.md")).expect("the page")
}

/// Every recipe: its heading and its code.
fn recipes() -> Vec<(String, String)> {
    let page = page();
    let parts = page.split("\n### ").skip(1);
    parts
        .map(|part| {
            let heading = part.lines().next().expect("a heading").to_owned();
            let (_, code) = part.split_once("```lua\n").unwrap_or_else(|| panic!("no code below {heading}"));
            (heading, code.split_once("```").expect("its end").0.to_owned())
        })
        .collect()
}

/// A sandbox with this recipe as the user's hook.
#[track_caller]
fn with(heading: &str) -> Sandbox {
    let found = recipes().into_iter().find(|(known, _)| known == heading);
    let sandbox = Sandbox::new();
    sandbox.hook("recipe", &found.unwrap_or_else(|| panic!("no recipe `{heading}`")).1);
    sandbox
}

fn program(sandbox: &Sandbox, name: &str, script: &str) {
    let path = sandbox.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
}

#[test]
fn there_are_eight_and_each_is_used_here() {
    let this = include_str!("hook_recipes.rs");
    let all = recipes();
    assert!(all.len() >= 8, "{}", all.len());
    for (heading, _) in all {
        assert!(this.contains(&format!("with(\"{heading}\")")), "`{heading}` is not tried");
    }
}

#[test]
fn a_variable_comes_from_a_program() {
    let sandbox = with("A variable from a program");
    program(&sandbox, "pass", "echo secret");
    let finished = sandbox.wrap(["sh", "-c", "echo \"<$DATABASE_URL>\""]).piped().expect_code(0);
    assert_eq!((finished.out(), finished.err()), ("<secret>\n".into(), String::new()));
    program(&sandbox, "pass", "echo 'not in the store' >&2; exit 1");
    let refused = sandbox.wrap(["true"]).piped().expect_code(125);
    assert!(refused.err().contains("pass: not in the store"), "{}", refused.err());
}

#[test]
fn the_debugger_comes_when_asked_for() {
    let sandbox = with("Node's debugger, when you ask for it");
    program(&sandbox, "node", "echo \"$@\"");
    assert_eq!(sandbox.wrap(["node", "x.js"]).piped().expect_code(0).out(), "x.js\n");
    let asked = sandbox.wrap(["node", "x.js"]).env("DEBUG_NODE", "1").piped().expect_code(0);
    assert_eq!(asked.out(), "--inspect x.js\n");
}

#[test]
fn a_branch_gives_the_name() {
    let sandbox = with("One name for each branch");
    sandbox.write("project/.git/HEAD", "ref: refs/heads/new-cart\n");
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    assert_eq!(sandbox.wait_one("healthy").project_name, "shop new-cart");
    sandbox.stop_all();
}

#[test]
fn migrations_run_first() {
    let sandbox = with("Migrations before the server");
    assert_eq!(sandbox.wrap(["echo", "up"]).piped().expect_code(0).err(), "");
    sandbox.write("project/migrations/1.sql", "");
    sandbox.script("migrate", "#!/bin/sh\ntest -e migrations/1.sql\n");
    let migrated = sandbox.wrap(["echo", "up"]).piped().expect_code(0);
    assert!(migrated.out() == "up\n" && migrated.err().contains("migrated"), "{}", migrated.err());
    sandbox.script("migrate", "#!/bin/sh\necho 'no such table' >&2; exit 1\n");
    let refused = sandbox.wrap(["echo", "up"]).piped().expect_code(125);
    assert!(refused.err().contains("no such table"), "{}", refused.err());
}

#[test]
fn a_tunnel_lasts_as_long_as_the_run() {
    let sandbox = with("A tunnel as long as it runs");
    sandbox.fixture("node-app");
    let place = sandbox.root().join("tunnel").display().to_string();
    program(&sandbox, "tunnel", &format!("echo $$ \"$@\" >{place}.new; mv {place}.new {place}; exec sleep 1000"));
    let terminal = sandbox.wrap(["node", "server.js"]).terminal();
    let said = sandbox.wait_files("the tunnel", || std::fs::read_to_string(&place).ok());
    let (pid, words) = said.split_once(' ').expect("a pid");
    assert!(words.starts_with("--to "), "{words}");
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    wait_gone(pid.parse().expect("a pid"));
}

#[test]
fn what_runs_out_of_memory_is_typed_to() {
    let sandbox = with("Out of memory: once more");
    sandbox.script("app", "#!/bin/bash\necho 'JavaScript heap out of memory'\nread -r x\necho \"got $x\"\n");
    let terminal = sandbox.wrap(["./app"]).terminal();
    terminal.wait_for("got rs");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_project_remembers_its_starts() {
    let sandbox = with("How long a start takes, this week");
    sandbox.write("config/wrap/config.toml", "ready_pattern = 'up'\n");
    for number in 1..=2 {
        let terminal = sandbox.wrap(["sh", "-c", "echo up; read x"]).terminal();
        terminal.wait_for(&format!("ready, run {number} of those remembered"));
        terminal.line("x");
        terminal.wait_end();
    }
    let store = std::fs::read_dir(sandbox.root().join("state/wrap/store")).expect("a store").flatten();
    let files: Vec<_> =
        store.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    assert_eq!(files.len(), 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&files[0]).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_left_behind_is_ended() {
    let sandbox = with("What was left behind");
    program(&sandbox, "npm", "trap '' HUP; while :; do sleep 1; done");
    sandbox.wrap(["-d", "-n", "shop", "npm", "start"]).piped().expect_code(0);
    let instance = sandbox.wait_one("healthy");
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.pid);
    let listed = sandbox.wrap(["list"]).piped().expect_code(0);
    assert!(listed.err().contains("shop was left behind; ending it"), "{}", listed.err());
    wait_gone(instance.child());
}

/// The names in `{ … }` behind a line that ends with this.
fn fields(text: &str, begin: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin}"));
    let (body, _) = rest.split_once("\n}").expect("its end");
    let top = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with([' ', '-', '&', '}'])));
    top.map(|line| line.trim_start_matches("read ").split(':').next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn the_types_for_editors_have_what_a_hook_sees() {
    let types = include_str!("../../hooks/wrap.d.luau");
    let sandbox = Sandbox::new();
    let tell =
        "print(wrap.json.encode((function() local t = {} for k in wrap do table.insert(t, k) end return t end)()))";
    sandbox.hook("tell", &format!("wrap.on('exit', function(i)\n{tell}\nlocal f = {{}} for k in i do table.insert(f, k) end\nprint(wrap.json.encode(f)) end)"));
    let told = sandbox.wrap(["true"]).piped().expect_code(0).err();
    let lists: Vec<BTreeSet<String>> =
        told.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("wrap: hook tell: ")?).ok()).collect();
    assert_eq!(lists.len(), 2, "{told}");
    assert_eq!(lists[0], fields(types, "declare wrap: {"), "the functions");
    let declared = fields(types, "type Instance = {");
    let unknown: Vec<_> = lists[1].difference(&declared).collect();
    assert!(unknown.is_empty(), "not declared: {unknown:?}");
}
