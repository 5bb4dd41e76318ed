//! compose files: which ones apply, the name of their project, and the ports that their services publish.
//!
//! What a file pulls in from elsewhere (`include`, `extends` of another file) is not followed.

use super::variables::Variables;
use super::{Env, Found, Kind, command};
use crate::files::{self, MANIFEST_BYTES};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The default names in docker's own order (`DefaultFileNames` of compose-go), of which the first counts.
pub(super) static FILES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The files laid over them, in docker's order; as with docker the first one that exists counts, whichever of the
/// default names the other has.
static OVERRIDES: &[&str] =
    &["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// Files of one command. People name two or three.
pub(super) const MAX_FILES: usize = 32;
/// Ports of one project: more than any table shows. A range can hold all 65535.
const MAX_PORTS: usize = 64;
/// Nodes of one file, those that aliases stand for included. The longest compose files have some thousand; this
/// many are read in a tenth of a second.
const MAX_NODES: usize = 50_000;
/// Text of one file, what aliases stand for included: four times the largest file, where a bomb would have gigabytes.
const MAX_TEXT: usize = 4 * MANIFEST_BYTES as usize;

/// The files that a compose command means: those that it names, else those of `COMPOSE_FILE`, else the default ones
/// in the nearest of `dirs`.
pub(super) fn files(cwd: &Path, dirs: &[PathBuf], command: &[OsString], env: Env) -> Vec<PathBuf> {
    let named = command::compose_files(command);
    if !named.is_empty() {
        // `-` is the standard input, which belongs to the command.
        return named.into_iter().filter(|file| *file != "-").map(|file| clean(&cwd.join(file))).collect();
    }
    let listed = listed(cwd, env);
    if !listed.is_empty() {
        return listed;
    }
    dirs.iter().find_map(|dir| defaults(dir)).unwrap_or_default()
}

/// The files that `COMPOSE_FILE` lists, in the environment or in the `.env` beside us.
pub(super) fn listed(cwd: &Path, env: Env) -> Vec<PathBuf> {
    let variables = Variables::new(cwd, env);
    let list = variables.get("COMPOSE_FILE").unwrap_or_default();
    let separator = variables.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
    let parts = list.split(separator.as_deref().unwrap_or(":"));
    parts.filter(|part| !part.is_empty()).map(|part| clean(&cwd.join(part))).collect()
}

/// The default file in `dir` with the one laid over it.
pub(super) fn defaults(dir: &Path) -> Option<Vec<PathBuf>> {
    let first = |names: &[&str]| names.iter().map(|name| dir.join(name)).find(|path| path.exists());
    let file = first(FILES)?;
    Some(std::iter::once(file).chain(first(OVERRIDES)).collect())
}

/// What the files say together; `None` where none of them exists. A later file's name wins, its ports add.
pub(super) fn found(paths: &[PathBuf], env: Env) -> Option<Found> {
    let root = paths.first()?.parent()?.to_owned();
    let variables = Variables::new(&root, env);
    let mut ports = BTreeSet::new();
    let mut name = None;
    let mut is_there = false;
    for path in paths.iter().take(MAX_FILES).filter(|path| path.exists()) {
        is_there = true;
        let Some(file) = files::read_bounded(path, MANIFEST_BYTES).ok().flatten().and_then(|text| parse(&text)) else {
            continue;
        };
        let own = file.get("name").and_then(Value::as_str);
        name = own.and_then(|name| files::name(&variables.expand(name))).or(name);
        for port in all_ports(&file) {
            let left = MAX_PORTS.saturating_sub(ports.len());
            ports.extend(super::ports::published(port, &variables).into_iter().flatten().take(left));
        }
    }
    is_there.then(|| Found { kind: Kind::DockerCompose, root, name, ports: ports.into_iter().collect() })
}

/// The name at the top of a file where it stands there as such.
pub(super) fn name(text: &str) -> Option<String> {
    Some(parse(text)?.get("name")?.as_str().filter(|name| !name.contains('$'))?.to_owned())
}

/// Every element of every service's `ports`.
fn all_ports(file: &Value) -> impl Iterator<Item = &Value> {
    let services = file.get("services").and_then(Value::as_object);
    let lists = services.into_iter().flat_map(|services| services.values()).filter_map(|service| service.get("ports"));
    lists.filter_map(Value::as_array).flatten()
}

fn parse(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * MAX_NODES,
            max_nodes: MAX_NODES,
            max_recorded_anchor_events: MAX_NODES,
            max_recorded_anchor_bytes: MAX_TEXT,
            max_total_scalar_bytes: MAX_TEXT,
            // One anchor with a hundred aliases is a common way to write services; replays are bounded below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        // `.inf` is nobody's port, and no reason to know nothing of the file.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        // Nobody sees the error.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).ok()
}

/// Without `.` and `..`, as docker reads them: by the words of the path, not over its links.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, env, words};
    use super::super::{Project, detect};
    use super::*;
    use std::time::{Duration, Instant};

    fn with(tree: &Fixture, dir: &str, line: &str, pairs: &[(&str, &str)]) -> Project {
        detect(&tree.path(dir), &words(line), &env(pairs))
    }

    fn service(port: u16) -> String {
        format!("services: {{web: {{ports: ['{port}:80']}}}}")
    }

    #[test]
    fn named_files_win_over_the_variable_and_that_over_the_default() {
        let tree = Fixture::new(&[
            ("compose.yaml", &service(1)),
            ("docker-compose.yml", &service(99)),
            ("docker-compose.override.yml", &service(2)),
            ("deploy/b.yml", &service(3)),
            ("c.yml", &format!("name: see\n{}", service(4))),
            ("src/", ""),
        ]);
        let up = "docker compose up";
        assert_eq!(with(&tree, "", up, &[]).ports, [1, 2]);
        assert_eq!(with(&tree, "src", up, &[]).root, tree.path(""));
        assert_eq!(with(&tree, "", up, &[("COMPOSE_FILE", "c.yml:deploy/b.yml")]).ports, [3, 4]);
        let other = [("COMPOSE_FILE", "c.yml;deploy/b.yml"), ("COMPOSE_PATH_SEPARATOR", ";")];
        assert_eq!(with(&tree, "", up, &other).ports, [3, 4]);
        let named = with(&tree, "src", "docker compose -f ../deploy/b.yml up", &[("COMPOSE_FILE", "c.yml")]);
        assert_eq!((named.ports, named.root, named.name.as_str()), (vec![3], tree.path("deploy"), "deploy"));
        let both = with(&tree, "", "docker compose -f deploy/b.yml -f c.yml logs -f", &[]);
        assert_eq!((both.ports, both.root, both.name.as_str()), (vec![3, 4], tree.path("deploy"), "see"));
        assert_eq!(with(&tree, "", "docker compose logs -f c.yml", &[]).ports, [1, 2]);
        // The command will fail; what lies around is still the project.
        assert_eq!(with(&tree, "", "docker compose -f gone.yml up", &[]).ports, Vec::<u16>::new());
        assert_eq!(with(&tree, "", "docker compose -f - up", &[]).kind, Kind::DockerCompose);
    }

    #[test]
    fn a_file_as_people_write_it_is_read_whole() {
        let text = "
name: ${NAME:-shop}
x-common: &common
  restart: always
  ports: [9000:9000]
services:
  web:
    <<: *common
    ports:
      - 3000:3000
      - \"${WEB:-3001}:80\"
      - 22:22
      - target: 80
        published: 8080-8081
  db: {<<: *common, environment: {1: a, true: b, c: .inf, d: 0x1F, e: ~}}
  none:
  odd: {ports: !override ['5000:5000']}
  gone: {ports: !reset []}
  text: {ports: '1:1'}
volumes: {data: }
";
        let tree = Fixture::new(&[("compose.yml", text), (".env", "WEB=3002\nNAME=\n")]);
        let project = with(&tree, "", "docker compose up", &[]);
        assert_eq!((project.name.as_str(), project.ports), ("shop", vec![22, 3000, 3002, 5000, 8080, 8081, 9000]));
        assert_eq!(with(&tree, "", "docker compose up", &[("NAME", "env"), ("WEB", "1")]).name, "env");
    }

    #[test]
    fn bombs_and_broken_files_are_cheap_and_nameless() {
        let tenfold = |n: usize| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(", "));
        let bomb = format!("a0: &a0 [x, x]\n{}", (1..12).map(tenfold).collect::<Vec<_>>().join("\n"));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), vec!["*a"; 40_000].join(", "));
        let keys: Vec<String> = (0..2000).map(|n| format!("k{n}: 1")).collect();
        let merge = format!("a: &a {{{}}}\nb: [{}]", keys.join(", "), vec!["{<<: *a}"; 20_000].join(", "));
        let wide = format!("services: [{}]", "1,".repeat(400_000));
        let deep = format!("services: {}", "[".repeat(400_000));
        let block = (0..1000).map(|n| format!("{}a:", " ".repeat(n))).collect::<Vec<_>>().join("\n");
        let tree = Fixture::new(&[
            ("bomb/compose.yaml", bomb.as_str()),
            ("long/compose.yaml", &long),
            ("merge/compose.yaml", &merge),
            ("wide/compose.yaml", &wide),
            ("deep/compose.yaml", &deep),
            ("block/compose.yaml", &block),
            ("broken/compose.yaml", "name: x\nservices: ]"),
            ("folder/compose.yaml/", ""),
            ("empty/compose.yaml", ""),
        ]);
        for folder in ["bomb", "long", "merge", "wide", "deep", "block", "broken", "folder", "empty"] {
            let start = Instant::now();
            let project = with(&tree, folder, "docker compose up", &[]);
            assert_eq!((project.kind, project.name.as_str()), (Kind::DockerCompose, folder));
            // Far above what a busy machine needs for it, far below what a bomb would take.
            assert!(start.elapsed() < Duration::from_secs(5), "{folder} took {:?}", start.elapsed());
        }
    }

    #[test]
    fn a_range_of_all_ports_is_cut() {
        let tree = Fixture::new(&[("compose.yaml", "services: {a: {ports: ['1-65535:1-65535']}}")]);
        assert_eq!(with(&tree, "", "docker compose up", &[]).ports.len(), MAX_PORTS);
    }
}
