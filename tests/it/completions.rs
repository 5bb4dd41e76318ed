//! Tab in bash, zsh and fish: type, press it, read the screen.

use crate::harness::{Sandbox, Terminal};

/// A server, others, and an alias. None is called as an id could begin: Tab would have two to choose from.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "[alias]\ndev = 'npm run'\n");
    sandbox.write("project/package.json", r#"{"name": "shop", "scripts": {"build": "true", "bundle": "true"}}"#);
    sandbox.write("project/folder/file", "");
    let server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"];
    sandbox.wrap(["-d", "--wait", "-n", "shop"].into_iter().chain(server)).piped().expect_code(0);
    for name in ["login", "my app", "x$(touch pwned);`touch pwned`", "back\\slash"] {
        sandbox.wrap(["-d", "-n", name, "sleep", "1000"]).piped().expect_code(0);
    }
    sandbox
}

/// What stands beside the server's name.
fn about(sandbox: &Sandbox) -> String {
    let port = sandbox.wait_instances("the server's port", |all| all.iter().find_map(|one| one.port));
    format!(":{port} healthy, python3 -m http.server")
}

/// What is typed, with a Tab behind it, becomes the line.
#[track_caller]
fn completes(terminal: &Terminal, typed: &str, line: &str) {
    terminal.send(format!("{typed}\t"));
    // At the last prompt: above it stands what was completed before.
    terminal.wait_shown(line, |screen| {
        screen.rsplit("@@> ").next().is_some_and(|last| last.trim_end() == line.trim_end() && last.len() >= line.len())
    });
    // The line is thrown away, and the next one begins at a prompt.
    terminal.send("\x15\r");
    terminal.wait_prompt();
}

/// What every shell does.
#[track_caller]
fn what_wrap_knows(terminal: &Terminal, sandbox: &Sandbox) {
    completes(terminal, "wrap doct", "wrap doctor ");
    completes(terminal, "wrap list --form", "wrap list --format ");
    completes(terminal, "wrap list --format=j", "wrap list --format=json");
    completes(terminal, "wrap stop lo", "wrap stop login ");
    let about = about(sandbox);
    let (port, _) = about.split_once(' ').expect("a port");
    completes(terminal, &format!("wrap stop {}", &port[..3]), &format!("wrap stop {port}"));
    completes(terminal, "wrap wait shop --for hea", "wrap wait shop --for healthy ");
    completes(terminal, "wrap list -o name,po", "wrap list -o name,port");
    completes(terminal, "wrap hooks test unh", "wrap hooks test unhealthy ");
    completes(terminal, "wrap hooks new x --from docker", "wrap hooks new x --from docker-cleanup ");
    completes(terminal, "wrap -C fol", "wrap -C folder/");
    completes(terminal, "wrap hooks check folder/fi", "wrap hooks check folder/file");
    // What would be more than a word to the shell is one all the same.
    completes(terminal, "wrap stop my", "wrap stop my\\ app");
    terminal.send("wrap show x\t\r");
    terminal.wait_shown("the oddly named one", |screen| screen.contains("x$(touch pwned);`touch pwned`\nid "));
    terminal.wait_prompt();
    terminal.send("wrap show back\t\r");
    terminal.wait_shown("the one with a backslash", |screen| screen.contains("back\\slash\nid "));
    terminal.wait_prompt();
    assert!(!sandbox.project().join("pwned").exists());
}

fn finish(terminal: &Terminal, sandbox: &Sandbox) {
    terminal.send("\x15exit\r");
    terminal.wait_end();
    sandbox.stop_all();
}

#[test]
fn bash_completes_what_wrap_knows_and_the_wrapped_command() {
    let sandbox = sandbox();
    let terminal = sandbox.bash();
    terminal.line("eval \"$(wrap init bash)\"");
    terminal.wait_prompt();
    what_wrap_knows(&terminal, &sandbox);
    // As npm's own script does, which not every machine has.
    terminal.line("_npm() { COMPREPLY=($(compgen -W 'build bundle' -- \"$2\")); }; complete -F _npm npm");
    terminal.wait_prompt();
    completes(&terminal, "wrap npm run bui", "wrap npm run build ");
    completes(&terminal, "wrap -n x npm run bui", "wrap -n x npm run build ");
    completes(&terminal, "dev bui", "dev build ");
    completes(&terminal, "wrap mkdi", "wrap mkdir ");
    terminal.send("wrap stop \t\t");
    let about = about(&sandbox);
    terminal.wait_shown(&about, |screen| screen.contains(&format!("({about}")));
    finish(&terminal, &sandbox);
}

#[test]
fn bash_cuts_what_is_beside_a_name_and_not_the_name() {
    let sandbox = Sandbox::new();
    for name in ["very-long-name-for-a-frontend-one", "very-long-name-for-a-frontend-two"] {
        sandbox.wrap(["-d", "-n", name, "sleep", "1000"]).piped().expect_code(0);
    }
    let terminal = sandbox.run("bash", ["--norc", "--noprofile", "-i"]).size(24, 40).terminal();
    terminal.wait_prompt();
    terminal.line("eval \"$(wrap init bash)\"");
    terminal.wait_prompt();
    terminal.send("wrap show v\t");
    terminal.wait_shown("the common part", |screen| {
        screen.replace('\n', "").ends_with("wrap show very-long-name-for-a-frontend-")
    });
    terminal.send("t\t\r");
    terminal.wait_shown("the second", |screen| screen.contains("frontend-two\nid "));
    terminal.wait_prompt();
    finish(&terminal, &sandbox);
}

/// A file of a project that nobody trusts, with a name that writes to the terminal, and a hook of one's own that hangs.
#[test]
fn tab_runs_no_hook_and_shows_no_strangers_names() {
    let sandbox = Sandbox::new();
    sandbox.hook("mine", "while true do end");
    sandbox.write("project/.wrap/hooks/a\nexit;id\u{1b}]0;x\u{7}.lua", "wrap.on('start', print)");
    let answer = sandbox.wrap(["__complete", "4", "wrap", "hooks", "test", "start", ""]).piped().expect_code(0);
    let names: Vec<String> = answer.out().lines().map(str::to_owned).collect();
    assert!(names.contains(&"mine".to_owned()) && !answer.out().contains("exit;id"), "{names:?}");
}

#[test]
fn bash_asks_bash_completion_where_it_is() {
    const THERE: &str = "/usr/share/bash-completion/bash_completion";
    if !std::path::Path::new(THERE).exists() {
        assert!(std::env::var_os("CI").is_none(), "bash-completion is missing");
        return;
    }
    let sandbox = sandbox();
    let terminal = sandbox.bash();
    terminal.line(&format!(". {THERE}; eval \"$(wrap init bash)\""));
    terminal.wait_prompt();
    what_wrap_knows(&terminal, &sandbox);
    // Only its own script for make knows the targets.
    sandbox.write("project/Makefile", "target-of-ours:\n\ttrue\n");
    completes(&terminal, "wrap make targ", "wrap make target-of-ours ");
    finish(&terminal, &sandbox);
}

#[test]
fn zsh_completes_what_wrap_knows_and_the_wrapped_command() {
    let sandbox = sandbox();
    let terminal = sandbox.zsh();
    terminal.line("autoload -U compinit; compinit -D; eval \"$(wrap init zsh)\"");
    terminal.wait_prompt();
    what_wrap_knows(&terminal, &sandbox);
    sandbox.write("project/Makefile", "target-of-ours:\n\ttrue\n");
    completes(&terminal, "wrap make targ", "wrap make target-of-ours ");
    completes(&terminal, "wrap -n x make targ", "wrap -n x make target-of-ours ");
    completes(&terminal, "wrap mkdi", "wrap mkdir");
    terminal.send("wrap stop \t");
    let about = about(&sandbox);
    terminal.wait_shown(&about, |screen| screen.contains(&format!("-- {about}")));
    finish(&terminal, &sandbox);
}

#[test]
fn zsh_reads_the_file_from_fpath() {
    let sandbox = sandbox();
    let terminal = sandbox.zsh();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
    terminal.line(&format!("fpath=({dir} $fpath); autoload -U compinit; compinit -D"));
    terminal.wait_prompt();
    completes(&terminal, "wrap doct", "wrap doctor ");
    completes(&terminal, "wrap stop lo", "wrap stop login ");
    finish(&terminal, &sandbox);
}

#[test]
fn fish_completes_what_wrap_knows_and_the_wrapped_command() {
    let sandbox = sandbox();
    let terminal = sandbox.fish();
    terminal.line("wrap init fish | source");
    terminal.wait_prompt();
    what_wrap_knows(&terminal, &sandbox);
    // fish has one for npm, which asks npm; this needs none.
    terminal.line("complete -c npm -f -n '__fish_seen_subcommand_from run' -a build");
    terminal.wait_prompt();
    completes(&terminal, "wrap npm run bui", "wrap npm run build ");
    completes(&terminal, "dev bui", "dev build ");
    completes(&terminal, "wrap mkdi", "wrap mkdir");
    terminal.send("wrap stop \t");
    let about = about(&sandbox);
    terminal.wait_shown(&about, |screen| screen.contains(&format!("({about}")));
    finish(&terminal, &sandbox);
}
