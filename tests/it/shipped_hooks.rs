//! The hooks that ship with wrap, each switched on by its name in the user's configuration.

use crate::harness::{CTRL_C, Sandbox, Server};

fn with(hooks: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", format!("hooks = [{hooks}]\n"));
    sandbox
}

/// A program of this name that writes its arguments down, and what it says.
fn stand_in(sandbox: &Sandbox, name: &str, says: &str) {
    let place = sandbox.root().join("called").display().to_string();
    let path = sandbox.write(&format!("bin/{name}"), format!("#!/bin/sh\necho {name} \"$@\" >>{place}\n{says}\n"));
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
}

fn called(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.root().join("called")).unwrap_or_default()
}

#[track_caller]
fn wait_called(sandbox: &Sandbox, text: &str) {
    sandbox.wait_files(&format!("a call of `{text}`"), || called(sandbox).contains(text).then_some(()));
}

#[test]
fn notify_tells_the_terminal_and_the_desktop() {
    let sandbox = with("'notify'");
    sandbox.fixture("node-app");
    stand_in(&sandbox, "notify-send", "");
    let terminal = sandbox.wrap(["-n", "shop", "node", "server.js"]).env("DISPLAY", ":9").terminal();
    wait_called(&sandbox, "notify-send --app-name=wrap -- shop ready at http://localhost:");
    terminal.send(CTRL_C);
    terminal.wait_end();
    assert!(terminal.raw_contains("\x1b]9;shop: ready at http://localhost:"));
    assert!(!called(&sandbox).contains("killed"), "Ctrl-C is no news: {}", called(&sandbox));
    let crash = "echo 'no database' >&2; exit 3";
    sandbox.wrap(["-n", "shop", "sh", "-c", crash]).env("DISPLAY", ":9").piped().expect_code(3);
    wait_called(&sandbox, "-- shop exited with 3: no database");
    let crashed = sandbox.wrap(["-n", "shop", "sh", "-c", crash]).terminal();
    assert_eq!(crashed.wait_end(), crate::harness::Ending::Code(3));
    assert!(crashed.raw_contains("\x1b]9;shop: exited with 3: no database\x1b\\"), "{}", crashed.shown());
}

#[test]
fn open_browser_opens_what_is_ready_once_in_a_run() {
    let sandbox = with("{ name = 'open-browser', path = '/admin' }");
    sandbox.fixture("node-app");
    stand_in(&sandbox, "browse", "");
    sandbox.wrap(["-d", "-n", "shop", "node", "server.js"]).env("BROWSER", "browse").piped().expect_code(0);
    wait_called(&sandbox, "/admin");
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    sandbox.wait_instances("ready again", |list| list.iter().find(|one| one.port.is_some()).cloned());
    sandbox.stop_all();
    assert_eq!(called(&sandbox).matches("browse http://localhost:").count(), 1, "{}", called(&sandbox));
}

#[test]
fn free_port_stops_the_projects_own_server_and_nobody_elses() {
    let port = Server::unused_port();
    let sandbox = with("'free-port'");
    sandbox.write("project/wrap.toml", format!("port = {port}\n"));
    let serve = format!("require('http').createServer().listen({port}, '127.0.0.1')");
    sandbox.write("project/serve.js", &serve);
    sandbox.wrap(["-d", "-n", "old", "node", "serve.js"]).piped().expect_code(0);
    let on_port = |list: &[crate::harness::Instance]| list.iter().find(|one| one.port == Some(port)).cloned();
    let old = sandbox.wait_instances("the old one", on_port);
    let terminal = sandbox.wrap(["-n", "new", "node", "serve.js"]).terminal();
    terminal.wait_for("stopped old, which held port");
    let new = sandbox.wait_instances("the new one", |list| {
        list.iter().find(|one| one.port == Some(port) && one.pid != old.pid).cloned()
    });
    assert_eq!(new.project_name, "new");
    // Another project's is left.
    sandbox.write("other/.git/HEAD", "ref: refs/heads/main\n");
    sandbox.write("other/wrap.toml", format!("port = {port}\n"));
    let other = sandbox.wrap(["true"]).cwd(sandbox.root().join("other")).piped().expect_code(0);
    assert!(other.err().contains("is held by new"), "{}", other.err());
    terminal.send(CTRL_C);
    terminal.wait_end();
}

#[test]
fn wait_for_waits_for_a_port_and_refuses_when_it_does_not_come() {
    let port = Server::unused_port();
    let sandbox = with(&format!("{{ name = 'wait-for', target = 'localhost:{port}' }}"));
    let terminal = sandbox.wrap(["echo", "served"]).terminal();
    terminal.wait_for(&format!("waiting for localhost:{port}"));
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bound");
    terminal.wait_for("served");
    terminal.wait_end();
    drop(listener);
    let late = format!("hooks = [{{ name = 'wait-for', target = ['localhost:{port}'], seconds = 0 }}]\n");
    sandbox.write("config/wrap/config.toml", late);
    let refused = sandbox.wrap(["echo", "served"]).piped().expect_code(125);
    assert!(refused.out().is_empty() && refused.err().contains("is not there after 0 s"), "{}", refused.err());
    let server = Server::answering();
    let url = format!("hooks = [{{ name = 'wait-for', target = '{}/up' }}]\n", server.url());
    sandbox.write("config/wrap/config.toml", url);
    assert_eq!(sandbox.wrap(["echo", "served"]).piped().expect_code(0).out(), "served\n");
}

#[test]
fn docker_cleanup_takes_down_what_compose_left() {
    let sandbox = with("{ name = 'docker-cleanup', args = ['--remove-orphans'] }");
    sandbox.fixture("compose");
    stand_in(&sandbox, "docker", "echo abc123");
    let finished = sandbox.wrap(["docker", "compose", "up"]).piped().expect_code(0);
    assert!(finished.err().contains("took the containers down"), "{}", finished.err());
    assert!(called(&sandbox).ends_with("docker compose ps --all --quiet\ndocker compose down --remove-orphans\n"));
    for words in [&["docker", "compose", "up", "-d"][..], &["docker", "compose", "logs"], &["docker", "up"], &["true"]]
    {
        std::fs::write(sandbox.root().join("called"), "").expect("written");
        sandbox.wrap(words).piped().expect_code(0);
        assert!(!called(&sandbox).contains("down"), "{words:?}: {}", called(&sandbox));
    }
}

#[test]
fn dotenv_gives_what_the_files_say_and_the_environment_does_not() {
    let sandbox = with("'dotenv'");
    sandbox.write("project/.env.local", "A=local\n");
    let file = "A=file\nexport B='single $A'  # comment\nC=\"two\\nlines \\\"quoted\\\"\"\n# D=no\nD = spaced # comment\nHOME=no\nE=a#b\n\nF=\n";
    sandbox.write("project/.env", file);
    let script = "printf '%s|' \"$A\" \"$B\" \"$C\" \"$D\" \"$E\" \"${F-unset}\"; [ \"$HOME\" != no ]";
    let finished = sandbox.wrap(["sh", "-c", script]).piped().expect_code(0);
    assert_eq!(finished.out(), "local|single $A|two\nlines \"quoted\"|spaced|a#b||");
    assert_eq!(finished.err(), "");
    // Nothing of a stranger's file runs.
    sandbox.write("project/run.sh", "echo RAN >&2\n");
    sandbox.write("project/.env", "BASH_ENV=./run.sh\nNPM_CONFIG_SCRIPT_SHELL=./run.sh\nnpm_config_x=1\nMAKEFILES=./x\nLD_PRELOAD=/x.so\nPATH=/x\nOK=1\n");
    let finished =
        sandbox.wrap(["bash", "-c", "echo $OK$NPM_CONFIG_SCRIPT_SHELL$npm_config_x$MAKEFILES"]).piped().expect_code(0);
    assert_eq!(finished.out(), "1\n");
    // PATH is in the environment already; who looks for a value of the others hears where it went.
    assert_eq!(finished.err().lines().count(), 1, "{}", finished.err());
    assert!(finished.err().contains("left out of .env: `BASH_ENV`, `NPM_CONFIG_SCRIPT_SHELL`"), "{}", finished.err());
    sandbox.write("project/.env", "UV_THREADPOOL_SIZE=8\nDOCKER_REGISTRY=x\nDENO_ENV=y\n");
    let finished =
        sandbox.wrap(["sh", "-c", "echo $UV_THREADPOOL_SIZE$DOCKER_REGISTRY$DENO_ENV"]).piped().expect_code(0);
    assert_eq!((finished.out(), finished.err()), ("8xy\n".into(), String::new()));
}

#[test]
fn slack_posts_a_crash_with_the_last_lines_and_no_ordinary_end() {
    let server = Server::answering();
    let sandbox = with(&format!("{{ name = 'slack', url = '{}/hook', lines = 2 }}", server.url()));
    sandbox.wrap(["-n", "shop", "sh", "-c", "echo one; echo two; echo three; exit 9"]).piped().expect_code(9);
    let posted = server.wait_request("a post", |_| true);
    assert!(posted.line.starts_with("POST /hook "), "{posted:?}");
    assert_eq!(posted.json()["text"], "shop exited with 9\n```\ntwo\nthree\n```");
    sandbox.wrap(["true"]).piped().expect_code(0);
    assert_eq!(server.count(), 1);
    sandbox.write("config/wrap/config.toml", "hooks = [{ name = 'slack', url = 'http://127.0.0.1:1/' }]\n");
    let lost = sandbox.wrap(["sh", "-c", "exit 9"]).piped().expect_code(9);
    assert!(lost.err().contains("the webhook did not take it"), "{}", lost.err());
}

#[test]
fn log_errors_collects_them_over_several_runs() {
    let sandbox = with("'log-errors'");
    for text in ["ok; Error: first", "a terrorist plot", "PANIC at the end"] {
        sandbox.wrap(["-n", "shop", "sh", "-c", "printf '%s' \"$1\"", "sh", text]).piped().expect_code(0);
    }
    let kept = std::fs::read_to_string(sandbox.project().join("wrap-errors.log")).expect("a file");
    let lines: Vec<&str> = kept.lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with(" shop stdout ok; Error: first"), "{kept}");
    assert!(lines[1].ends_with(" shop stdout PANIC at the end"), "{kept}");
    // What a stranger's project puts there leads nowhere.
    let mine = sandbox.write("home/mine", "as it was\n");
    std::fs::remove_file(sandbox.project().join("wrap-errors.log")).expect("removed");
    std::os::unix::fs::symlink(&mine, sandbox.project().join("wrap-errors.log")).expect("linked");
    let finished = sandbox.wrap(["echo", "error"]).piped().expect_code(0);
    assert!(finished.err().contains("cannot write"), "{}", finished.err());
    assert_eq!(std::fs::read_to_string(mine).expect("there"), "as it was\n");
}
