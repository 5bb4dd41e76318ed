//! Tab in bash, zsh and fish: type, press it, read the screen.

use crate::harness::{Sandbox, Terminal};

/// Two servers and an alias.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "[alias]\ndev = 'npm run'\n");
    sandbox.write("project/package.json", r#"{"name": "shop", "scripts": {"build": "true", "bundle": "true"}}"#);
    sandbox.write("project/folder/file", "");
    let server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"];
    sandbox.wrap(["-d", "--wait", "-n", "shop"].into_iter().chain(server)).piped().expect_code(0);
    sandbox.wrap(["-d", "-n", "admin", "sleep", "1000"]).piped().expect_code(0);
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
    terminal.wait_shown(line, |screen| screen.contains(line.trim_end()));
    // The line is thrown away, and the next one begins at a prompt.
    terminal.send("\x15\r");
    terminal.wait_prompt();
}

/// What every shell does.
#[track_caller]
fn what_wrap_knows(terminal: &Terminal, sandbox: &Sandbox) {
    completes(terminal, "wrap doct", "wrap doctor ");
    completes(terminal, "wrap list --form", "wrap list --format");
    completes(terminal, "wrap list --format=j", "--format=json");
    completes(terminal, "wrap stop ad", "wrap stop admin ");
    let about = about(sandbox);
    let (port, _) = about.split_once(' ').expect("a port");
    completes(terminal, &format!("wrap stop {}", &port[..3]), &format!("wrap stop {port}"));
    completes(terminal, "wrap wait shop --for hea", "--for healthy ");
    completes(terminal, "wrap list -o name,po", "name,port");
    completes(terminal, "wrap hooks test unh", "unhealthy ");
    completes(terminal, "wrap hooks new x --from docker", "docker-cleanup ");
    completes(terminal, "wrap -C fol", "wrap -C folder/");
    completes(terminal, "wrap hooks check folder/fi", "folder/file");
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
    completes(&terminal, "wrap -n x npm run bui", "npm run build ");
    completes(&terminal, "dev bui", "dev build ");
    completes(&terminal, "wrap mkdi", "wrap mkdir ");
    terminal.send("wrap stop \t\t");
    let about = about(&sandbox);
    terminal.wait_shown(&about, |screen| screen.contains(&format!("({about}")));
    finish(&terminal, &sandbox);
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
    completes(&terminal, "wrap -n x make targ", "make target-of-ours ");
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
    completes(&terminal, "wrap stop ad", "wrap stop admin ");
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
