//! What a run is about: its name, its kind, and the command that a project proposes itself.

use crate::harness::{CTRL_C, Ending, Sandbox, signal};
use std::fs;

/// Programs that are not here and need not be: each says what it was called with, and stays.
fn pretend(sandbox: &Sandbox, programs: &[&str]) {
    for program in programs {
        let file = sandbox
            .write(&format!("bin/{program}"), "#!/bin/sh\necho \"${0##*/} $*\"\n[ -z \"$STAY\" ] || exec sleep 1000\n");
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its permissions");
    }
}

/// Name and kind of this command line's run.
fn detected(sandbox: &Sandbox, dir: &str, line: &str, env: &[(&str, &str)]) -> (String, String) {
    let mut launch = sandbox.wrap(line.split(' ')).cwd(sandbox.project().join(dir)).env("STAY", "1");
    for (name, value) in env {
        launch = launch.env(name, value);
    }
    let piped = launch.start();
    piped.wait_for("\n");
    let instance = sandbox.wait_started();
    signal(piped.pid(), libc::SIGTERM);
    assert_eq!(piped.finish().ending, Ending::Signal(libc::SIGTERM));
    (instance.project_name, instance.detected_type)
}

#[test]
fn the_kind_is_what_the_command_is_about() {
    let sandbox = Sandbox::new();
    for fixture in ["node-app", "compose", "python-app", "procfile"] {
        sandbox.fixture(fixture);
    }
    for (file, text) in [
        ("Cargo.toml", "[package]\nname = 'rusty'\n"),
        ("go.mod", "module example.com/gopher\n"),
        ("Gemfile", "source 'https://rubygems.org'\n"),
        ("mix.exs", "defmodule A do\n  def project, do: [app: :elixir]\nend\n"),
        ("deno.json", "{\"name\": \"dino\", /* why */ \"tasks\": {}}"),
    ] {
        sandbox.write(&format!("project/{file}"), text);
    }
    pretend(&sandbox, &["npm", "docker", "cargo", "uv", "go", "bundle", "mix", "deno", "foreman", "anything"]);
    for (line, name, kind) in [
        ("npm run dev", "fixture-app", "package.json"),
        ("docker compose up", "fixture-stack", "docker-compose"),
        ("cargo run", "rusty", "Cargo.toml"),
        ("uv run server.py", "fixture-python", "pyproject.toml"),
        ("go run .", "gopher", "go.mod"),
        ("bundle exec rails s", "project", "Gemfile"),
        ("mix phx.server", "elixir", "mix.exs"),
        ("deno task dev", "dino", "deno.json"),
        ("foreman start", "project", "Procfile"),
    ] {
        assert_eq!(detected(&sandbox, "", line, &[]), (name.to_owned(), kind.to_owned()), "{line}");
    }
}

#[test]
fn the_nearest_manifest_up_to_the_repository_counts() {
    let sandbox = Sandbox::new();
    pretend(&sandbox, &["anything"]);
    sandbox.write("package.json", r#"{"name": "above the repository"}"#);
    sandbox.write("project/src/deep/file", "");
    let found = detected(&sandbox, "src/deep", "anything", &[]);
    assert_eq!(found, ("deep".to_owned(), "unknown".to_owned()), "nothing above the repository is read");
    sandbox.write("project/package.json", r#"{"name": "whole"}"#);
    sandbox.write("project/web/package.json", r#"{"name": "@shop/web"}"#);
    assert_eq!(detected(&sandbox, "src/deep", "anything", &[]).0, "whole");
    assert_eq!(detected(&sandbox, "web", "anything", &[]).0, "@shop/web");
    sandbox.write("project/web/package.json", "{ not JSON");
    assert_eq!(detected(&sandbox, "web", "anything", &[]), ("web".to_owned(), "package.json".to_owned()));
}

#[test]
fn an_explicit_compose_file_wins_over_the_variable_which_wins_over_the_names() {
    let sandbox = Sandbox::new();
    pretend(&sandbox, &["docker"]);
    for (file, name) in [("docker-compose.yml", "by-name"), ("listed.yml", "by-variable"), ("flag.yml", "by-flag")] {
        sandbox.write(&format!("project/{file}"), format!("name: {name}\nservices: {{web: {{image: x}}}}\n"));
    }
    let listed = [("COMPOSE_FILE", "listed.yml")];
    let none: &[(&str, &str)] = &[];
    let cases = [
        ("docker compose up", none, "by-name"),
        ("docker compose up", &listed[..], "by-variable"),
        ("docker compose -f flag.yml up", &listed[..], "by-flag"),
        ("docker compose --file=flag.yml up", &listed[..], "by-flag"),
        // This -f is `follow`.
        ("docker compose logs -f", none, "by-name"),
    ];
    for (line, env, name) in cases {
        let found = detected(&sandbox, "", line, env);
        assert_eq!(found, (name.to_owned(), "docker-compose".to_owned()), "{line} {env:?}");
    }
}

#[test]
fn a_name_may_be_given() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    pretend(&sandbox, &["anything"]);
    sandbox.write("project/wrap.toml", "name = 'from the file'\n");
    assert_eq!(detected(&sandbox, "", "anything", &[]).0, "from the file");
    assert_eq!(detected(&sandbox, "", "-n given anything", &[]).0, "given");
    assert_eq!(detected(&sandbox, "", "--name=given anything", &[]).0, "given");
}

#[test]
fn without_a_command_the_first_script_of_the_list_is_run_by_the_projects_own_manager() {
    let sandbox = Sandbox::new();
    pretend(&sandbox, &["npm", "pnpm", "yarn", "bun"]);
    let scripts = |names: &[&str], more: &str| {
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\": \"x\"")).collect();
        sandbox.write("project/package.json", format!("{{\"scripts\": {{{}}}{more}}}", list.join(",")));
    };
    let ran = |args: &[&str]| sandbox.wrap(args).piped().expect_code(0).out();
    for (names, script) in [
        (&["start", "serve", "develop", "dev"][..], "dev"),
        (&["start", "serve", "develop"], "develop"),
        (&["start", "serve"], "serve"),
        (&["build", "start"], "start"),
    ] {
        scripts(names, "");
        assert_eq!(ran(&[]), format!("npm run {script}\n"));
        assert_eq!(ran(&["run"]), format!("npm run {script}\n"));
    }
    scripts(&["dev"], "");
    for (lock, manager) in [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("package-lock.json", "npm"),
    ] {
        let lock = sandbox.write(&format!("project/{lock}"), "");
        assert_eq!(ran(&[]), format!("{manager} run dev\n"));
        fs::remove_file(lock).expect("it is ours");
    }
    sandbox.write("project/package-lock.json", "");
    scripts(&["dev"], ", \"packageManager\": \"pnpm@9.1.0\"");
    assert_eq!(ran(&[]), "pnpm run dev\n", "packageManager wins over the lock file");
}

#[test]
fn without_a_command_services_are_brought_up() {
    let sandbox = Sandbox::new();
    sandbox.fixture("compose");
    pretend(&sandbox, &["docker"]);
    assert_eq!(sandbox.wrap([""; 0]).piped().expect_code(0).out(), "docker compose up\n");
}

#[test]
fn with_a_script_and_services_somebody_must_choose() {
    let sandbox = Sandbox::new();
    sandbox.fixture("compose");
    sandbox.fixture("node-app");
    pretend(&sandbox, &["npm", "docker"]);
    let finished = sandbox.wrap([""; 0]).piped().expect_code(2);
    assert_eq!(finished.out(), "");
    assert!(
        finished.err().contains("npm run dev") && finished.err().contains("docker compose up"),
        "{}",
        finished.err()
    );
    let terminal = sandbox.wrap([""; 0]).terminal();
    terminal.wait_until("both are offered", |text| {
        text.contains("npm run dev") && text.contains("docker compose up") && text.contains("which one? [1-2] ")
    });
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    let terminal = sandbox.wrap([""; 0]).terminal();
    terminal.wait_until("both are offered", |text| {
        text.contains("npm run dev") && text.contains("docker compose up") && text.contains("which one? [1-2] ")
    });
    terminal.line("2");
    terminal.wait_until("the second one runs", |text| text.lines().any(|line| line == "docker compose up"));
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn without_anything_to_run_the_help_is_shown() {
    let sandbox = Sandbox::new();
    for args in [&[][..], &["run"]] {
        let finished = sandbox.wrap(args).piped().expect_code(2);
        assert!(finished.err().contains("wrap npm run dev") || finished.err().contains("Usage"), "{}", finished.err());
    }
}
