//! `require`, and the shipped hooks' texts.

use super::*;

#[test]
fn a_hook_requires_files_beside_it_once_and_nothing_else() {
    let mut house = House::new(&[
        (
            "h.lua",
            "local a, b = require('lib/names'), require('./lib/names.luau')\nwrap.on('start', function() print(a.hello, a == b, require('flag')) end)",
        ),
        ("flag.luau", "return false"),
        (
            "evil.lua",
            "for _, n in {'../x', '/etc/passwd', 'lib/../flag', '', '.hidden', 'a\\0b', 'none', 7} do print(pcall(require, n)) end",
        ),
        ("selfish.lua", "require('loop')"),
        ("loop.luau", "require('loop')"),
        (
            "broken.lua",
            "print(pcall(require, 'bad')) print(pcall(require, 'bad')) print(pcall(require, 'fails')) print(pcall(require, 'fails'))",
        ),
        ("bad.luau", "x = = 1"),
        ("fails.luau", "\nerror('no')"),
    ]);
    fs::create_dir(house.dir.path().join("lib")).expect("made");
    fs::set_permissions(house.dir.path().join("lib"), Permissions::from_mode(0o700)).expect("mode set");
    write(&house.dir.path().join("lib/names.luau"), b"return {hello = 'hi ' .. ...}");
    house.start();
    let said = house.said();
    let of = |name: &str| -> Vec<&str> {
        let prefix = format!("hook {name}: ");
        said.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
    };
    assert_eq!(of("h"), ["hi lib/names\ttrue\tfalse"]);
    let evil = of("evil");
    assert!(
        evil.len() == 8 && evil.iter().all(|line| line.starts_with("false\t") && line.contains("require")),
        "{evil:?}"
    );
    assert!(evil[..6].iter().all(|line| line.contains("a module is a file beside the hook")), "{evil:?}");
    assert!(of("selfish")[0].contains("`loop` asks for itself"), "{said:?}");
    let broken = of("broken");
    assert!(broken[0].contains("bad.luau:1:") && broken[0] == broken[1], "{broken:?}");
    assert!(broken[2].contains("fails.luau:2: no") && broken[2] == broken[3], "{broken:?}");
}

#[test]
fn a_module_that_others_could_have_written_is_not_read() {
    let mut house = House::new(&[("h.lua", "require('open')"), ("open.luau", "return 1")]);
    fs::set_permissions(house.dir.path().join("open.luau"), Permissions::from_mode(0o622)).expect("mode set");
    house.start();
    assert!(house.said()[0].contains("others can write to it"));
    let mut house = House::one("require('lib/x')");
    fs::create_dir(house.dir.path().join("lib")).expect("made");
    write(&house.dir.path().join("lib/x.luau"), b"return 1");
    fs::set_permissions(house.dir.path().join("lib"), Permissions::from_mode(0o777)).expect("mode set");
    house.start();
    assert!(house.said()[0].contains("others can write to it"));
}

#[test]
fn every_shipped_hook_is_there_and_loads() {
    for (name, source) in crate::hooks::shipped::all() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("hooks/{name}.lua"));
        assert_eq!(fs::read_to_string(&file).expect("a file at the top"), source, "{name}");
        let mut house = House::one(source);
        house.fire(Event::Start, json!({"projectRoot": house.dir.path(), "cwd": house.dir.path()}));
        let said = house.said();
        // What has to be told is asked for.
        let asked = said.iter().all(|line| line.contains("option target is missing"));
        assert_eq!((said.len(), asked), (usize::from(name == "wait-for"), true), "{name}: {said:?}");
    }
}
