//! What a command line is about: which kind of project its program works on, and which compose files it names.

use super::Kind;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The programs that work on one kind of project; those that start containers are below.
#[rustfmt::skip] // One name a line would be two pages.
static PROGRAMS: &[(Kind, &[&str])] = &[
    (Kind::PackageJson, &[
        "npm", "npx", "pnpm", "pnpx", "yarn", "yarnpkg", "bun", "bunx", "corepack", "node", "nodejs",
        "nodemon", "tsx", "ts-node", "ts-node-dev", "tsc", "vite", "vitest", "next", "nuxt", "nuxi", "astro",
        "remix", "react-router", "react-scripts", "vue-cli-service", "svelte-kit", "ng", "nest", "gatsby",
        "eleventy", "expo", "storybook", "webpack", "webpack-dev-server", "rollup", "parcel", "esbuild",
        "turbo", "nx", "lerna", "jest", "wrangler", "concurrently", "http-server",
    ]),
    (Kind::Cargo, &["cargo", "rustc", "trunk", "bacon", "cargo-watch", "cargo-leptos", "dx"]),
    (Kind::Pyproject, &[
        "python", "pypy", "pip", "pipenv", "poetry", "pdm", "hatch", "rye", "uv", "uvx", "uvicorn", "gunicorn",
        "hypercorn", "daphne", "granian", "flask", "fastapi", "django-admin", "manage.py", "celery",
        "streamlit", "jupyter", "pytest",
    ]),
    (Kind::Go, &["go", "air", "gofmt", "dlv", "templ"]),
    (Kind::Ruby, &["ruby", "rails", "rake", "rackup", "bundle", "bundler", "puma", "unicorn", "jekyll", "rspec"]),
    (Kind::Mix, &["mix", "iex", "elixir"]),
    (Kind::Deno, &["deno"]),
    (Kind::Procfile, &["foreman", "overmind", "hivemind", "honcho", "goreman", "nf"]),
];

/// Programs that are compose themselves.
static COMPOSE: &[&str] = &["docker-compose", "podman-compose"];
/// Programs with a `compose` among their subcommands.
static CONTAINERS: &[&str] = &["docker", "podman", "nerdctl"];

/// docker's options before its subcommand that take a value (`docker --help`).
#[rustfmt::skip]
static DOCKER_OPTIONS: &[&str] = &[
    "--config", "-c", "--context", "-H", "--host", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey",
];
/// compose's options before its subcommand that take a value (`docker compose --help`, `docker-compose --help`).
#[rustfmt::skip]
static COMPOSE_OPTIONS: &[&str] = &[
    "-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory", "--workdir",
    "--ansi", "--progress", "--parallel", "-H", "--host", "-c", "--context", "--log-level", "--tlscacert",
    "--tlscert", "--tlskey",
];

/// The package managers that run scripts by name.
static MANAGERS: &[&str] = &["npm", "pnpm", "yarn", "yarnpkg", "bun"];
/// Their options that name the directory of the package.
static DIRECTORIES: &[&str] = &["--prefix", "-C", "--dir", "--cwd"];
/// Their options that name packages of a workspace.
static WORKSPACES: &[&str] = &["-w", "--workspace", "-F", "--filter"];
/// npm's words for a script of the next word's name, and the scripts that it runs by their own (`npm help`).
static RUN: &[&str] = &["run", "run-script"];
static NPM_SCRIPTS: &[(&str, &str)] =
    &[("start", "start"), ("stop", "stop"), ("restart", "restart"), ("test", "test"), ("tst", "test"), ("t", "test")];

/// The kind of project that a command works on, where its program tells.
pub(super) fn about(command: &[OsString]) -> Option<Kind> {
    if compose_arguments(command).is_some() {
        return Some(Kind::DockerCompose);
    }
    let (program, _) = program(command)?;
    // python3.12, pip3, ruby3.3: installed beside each other under their versions.
    let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    PROGRAMS.iter().find(|(_, names)| names.contains(&program) || names.contains(&plain)).map(|(kind, _)| *kind)
}

/// The compose files that a compose command names before its subcommand, as they stand; the `-f` of `logs -f` and
/// of other subcommands is none.
pub(super) fn compose_files(command: &[OsString]) -> Vec<&OsStr> {
    let (values, _) = options(compose_arguments(command).unwrap_or_default(), COMPOSE_OPTIONS);
    values.into_iter().filter(|(option, _)| ["-f", "--file"].contains(option)).map(|(_, file)| file).collect()
}

/// The script that a command of a package manager runs, and the directory of its package where it names one. `None`
/// for any other command, and for the packages of a workspace, whose manifests are elsewhere.
pub(super) fn script(command: &[OsString]) -> Option<(&str, Option<&OsStr>)> {
    let (mut manager, mut arguments) = program(command)?;
    if manager == "corepack" {
        (manager, arguments) = program(arguments)?;
    }
    if !MANAGERS.contains(&manager) {
        return None;
    }
    let with_value = [DIRECTORIES, WORKSPACES].concat();
    let (mut given, rest) = options(arguments, &with_value);
    let (word, rest) = rest.split_first()?;
    let word = word.to_str()?;
    let script = if RUN.contains(&word) {
        let (more, rest) = options(rest, &with_value);
        given.extend(more);
        rest.first()?.to_str()?
    } else if manager == "npm" {
        NPM_SCRIPTS.iter().find(|(name, _)| *name == word)?.1
    } else {
        word
    };
    if given.iter().any(|(option, _)| WORKSPACES.contains(option)) {
        return None;
    }
    Some((script, given.last().map(|(_, dir)| *dir)))
}

/// What follows `docker compose` or `docker-compose`.
fn compose_arguments(command: &[OsString]) -> Option<&[OsString]> {
    let (program, arguments) = program(command)?;
    if COMPOSE.contains(&program) {
        return Some(arguments);
    }
    if !CONTAINERS.contains(&program) {
        return None;
    }
    match options(arguments, DOCKER_OPTIONS).1 {
        [subcommand, arguments @ ..] if subcommand == "compose" => Some(arguments),
        _ => None,
    }
}

/// The name of the program and its arguments; `env NAME=value …` in front is not what the command is about.
fn program(mut command: &[OsString]) -> Option<(&str, &[OsString])> {
    loop {
        let (first, arguments) = command.split_first()?;
        let name = first.as_bytes().rsplit(|&byte| byte == b'/').next()?;
        if name != b"env" {
            return Some((std::str::from_utf8(name).ok()?, arguments));
        }
        let settings = arguments.iter().take_while(|argument| argument.as_bytes().contains(&b'=')).count();
        command = &arguments[settings..];
    }
}

/// The options at the head of `arguments` that are among `with_value`, each with its value, and what follows all
/// options. Others are taken as switches.
fn options<'a>(
    mut arguments: &'a [OsString],
    with_value: &[&'static str],
) -> (Vec<(&'static str, &'a OsStr)>, &'a [OsString]) {
    let mut values = Vec::new();
    while let [first, rest @ ..] = arguments
        && first.as_bytes().starts_with(b"-")
    {
        arguments = rest;
        let attached = |option: &&'static str| Some((*option, behind(first, option)?));
        match with_value.iter().find_map(attached) {
            Some((option, Some(value))) => values.push((option, value)),
            Some((option, None)) => {
                let Some((value, rest)) = rest.split_first() else { break };
                values.push((option, value));
                arguments = rest;
            }
            None => {}
        }
    }
    (values, arguments)
}

/// What stands in `argument` behind `option`: `Some(None)` where it is the option alone, `None` where it is another.
/// Values are attached as `--file=x`, `-fx` and `-f=x`.
#[allow(clippy::option_option)]
fn behind<'a>(argument: &'a OsStr, option: &str) -> Option<Option<&'a OsStr>> {
    let rest = argument.as_bytes().strip_prefix(option.as_bytes())?;
    match rest {
        [] => Some(None),
        [b'=', value @ ..] => Some(Some(OsStr::from_bytes(value))),
        value if !option.starts_with("--") => Some(Some(OsStr::from_bytes(value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::words;
    use super::*;

    #[test]
    fn compose_files_are_named_before_the_subcommand_only() {
        for (line, files) in [
            ("docker compose up", vec![]),
            (
                "docker compose -f a.yml --file b.yml --file=c.yml -fd.yml -f=e.yml up -f no",
                vec!["a.yml", "b.yml", "c.yml", "d.yml", "e.yml"],
            ),
            ("docker compose logs -f web", vec![]),
            ("docker compose --profile x -p name --verbose -f a.yml logs -f", vec!["a.yml"]),
            ("docker -H tcp://x compose -f a.yml up", vec!["a.yml"]),
            ("/usr/bin/docker-compose --ansi never -f a.yml up", vec!["a.yml"]),
            ("env A=b docker compose -f", vec![]),
            ("docker build -f Dockerfile compose", vec![]),
            ("npm run dev -f x", vec![]),
        ] {
            assert_eq!(compose_files(&words(line)), files, "{line}");
        }
    }

    #[test]
    fn only_known_programs_are_about_something() {
        assert_eq!(about(&words("python3 x")), Some(Kind::Pyproject));
        assert_eq!(about(&words("docker run -p 1:1 x compose")), None);
        assert_eq!(about(&words("docker")), None);
        assert_eq!(about(&words("env")), None);
        assert_eq!(about(&words("make npm")), None);
        assert_eq!(about(&[OsStr::from_bytes(b"\xffnpm").to_owned()]), None);
    }
}
