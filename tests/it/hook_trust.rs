//! What a project may set and run once its user has said so, and what not.

use crate::harness::Sandbox;
use std::os::unix::fs::PermissionsExt;

fn ran(sandbox: &Sandbox) -> (String, String) {
    let finished = sandbox.sh("wrap sh -c 'echo \"<$A>\"'").piped().expect_code(0);
    (finished.out(), finished.err())
}

#[test]
fn a_projects_settings_that_run_something_need_trust_and_an_edit_ends_it() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.env", "A=from the file\n");
    let settings = sandbox.write("project/wrap.toml", "name = 'shop'\nhooks = ['dotenv']\ngrace = 1\n");
    let (out, err) = ran(&sandbox);
    assert_eq!(out, "<>\n");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("`hooks`, `grace`: not used") && err.contains("wrap trust"), "{err}");
    let shown = sandbox.wrap(["trust", "--show"]).piped().expect_code(0);
    assert!(shown.out().contains("--- wrap.toml") && shown.out().contains("hooks = ['dotenv']"), "{}", shown.out());
    sandbox.wrap(["trust"]).piped().expect_code(0);
    assert_eq!(ran(&sandbox), ("<from the file>\n".into(), String::new()));
    sandbox.write("project/wrap.toml", "name = 'shop'\nhooks = ['dotenv', 'notify']\n");
    let (out, err) = ran(&sandbox);
    assert!(out == "<>\n" && err.contains("it has changed since you trusted it"), "{err}");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o666)).expect("set");
    let (out, err) = ran(&sandbox);
    assert!(out == "<>\n" && err.contains("others can write to it: `chmod go-w "), "{err}");
    // Hooks and settings are one line.
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o644)).expect("set");
    sandbox.write("project/.wrap/hooks/a.lua", "wrap.on('start', function(i) i.env.A = 'x' end)");
    let (out, err) = ran(&sandbox);
    assert!(out == "<>\n" && err.lines().count() == 1, "{err}");
    assert!(err.contains("`hooks`: not used, nor are the hooks in `.wrap/`: "), "{err}");
    std::fs::remove_dir_all(sandbox.project().join(".wrap")).expect("removed");
    // What only names things asks for nothing.
    sandbox.write("project/wrap.toml", "name = 'shop'\nport = 3000\nready_pattern = 'up'\n");
    assert_eq!(ran(&sandbox), ("<>\n".into(), String::new()));
}

#[test]
fn a_settings_file_deeper_in_the_project_runs_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.env", "A=x\n");
    sandbox.write("project/wrap.toml", "hooks = ['dotenv']\n");
    sandbox.write("project/deep/wrap.toml", "hooks = ['dotenv']\n");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let finished = sandbox.sh("cd deep && wrap sh -c 'echo \"<$A>\"'").piped().expect_code(0);
    assert_eq!(finished.out(), "<>\n");
    assert!(finished.err().contains("in the project's own directory"), "{}", finished.err());
}

#[test]
fn a_module_that_a_project_hook_requires_is_of_the_content_that_was_trusted() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/.wrap/hooks/a.lua",
        "local v = require('lib/v')\nwrap.on('start', function(i) i.env.A = v end)",
    );
    sandbox.write("project/.wrap/hooks/lib/v.luau", "return 'one'");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    assert_eq!(ran(&sandbox), ("<one>\n".into(), String::new()));
    sandbox.write("project/.wrap/hooks/lib/v.luau", "return 'two'");
    let (out, err) = ran(&sandbox);
    assert!(out == "<>\n" && err.contains("has changed"), "{out} {err}");
}

#[test]
fn a_store_of_trust_that_is_broken_trusts_nothing_and_is_kept_aside() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.wrap/hooks/a.lua", "wrap.on('start', function(i) i.env.A = 'x' end)");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let store = sandbox.root().join("state/wrap/trust.json");
    assert_eq!(std::fs::metadata(&store).expect("there").permissions().mode() & 0o777, 0o600);
    std::fs::write(&store, "{\"trusted\": [").expect("written");
    let (out, err) = ran(&sandbox);
    assert!(out == "<>\n" && err.contains("is broken") && err.contains("`wrap trust` begins a new one"), "{err}");
    let again = sandbox.wrap(["trust"]).piped().expect_code(0);
    assert!(again.err().contains("it is kept as `"), "{}", again.err());
    assert_eq!(ran(&sandbox), ("<x>\n".into(), String::new()));
}

#[test]
fn a_linked_worktree_needs_its_own_word_unless_it_has_the_same_in_it() {
    let sandbox = Sandbox::new();
    let hook = "wrap.on('start', function(i) i.env.A = 'x' end)";
    let git = |words: &str| format!("git -c user.name=t -c user.email=t@t -c init.defaultBranch=main {words}");
    sandbox.write("project/.wrap/hooks/a.lua", hook);
    let script = format!(
        "rm -rf .git && {} -q && {} && {} -qm x && {} -q ../tree",
        git("init"),
        git("add .wrap"),
        git("commit"),
        git("worktree add")
    );
    sandbox.sh(&script).piped().expect_code(0);
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let there = || sandbox.sh("cd ../tree && wrap sh -c 'echo \"<$A>\"'").piped().expect_code(0);
    assert_eq!(there().out(), "<x>\n");
    sandbox.write("tree/.wrap/hooks/a.lua", format!("{hook} -- another branch"));
    assert!(there().out() == "<>\n" && there().err().contains("wrap trust"));
    // A directory that only claims to be one is none.
    sandbox.write("claims/.wrap/hooks/a.lua", hook);
    sandbox.write("claims/.git", format!("gitdir: {}/.git/worktrees/tree\n", sandbox.project().display()));
    let claims = sandbox.sh("cd ../claims && wrap sh -c 'echo \"<$A>\"'").piped().expect_code(0);
    assert_eq!(claims.out(), "<>\n", "{}", claims.err());
    sandbox.write("tree/.wrap/hooks/a.lua", hook);
    assert_eq!(there().out(), "<x>\n");
}
