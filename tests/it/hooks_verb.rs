//! `wrap hooks` and `wrap config`.

use crate::harness::Sandbox;
use serde_json::Value;

#[test]
fn the_list_says_what_there_is_what_it_handles_and_what_came_of_it() {
    let sandbox = Sandbox::new();
    let none = sandbox.wrap(["hooks"]).piped().expect_code(0);
    assert!(none.out().contains("there are no hooks") && none.out().contains("wrap hooks new"), "{}", none.out());
    sandbox.write("config/wrap/config.toml", "hooks = ['notify']\n");
    sandbox.hook("b-good", "wrap.on('exit', print) wrap.on('start', function() end) wrap.on('start', function() end)");
    sandbox.hook("a-bad", "wrap.on('start', function() error('no luck') end)");
    sandbox.hook("c-broken", "x = = 1");
    sandbox.write("project/.wrap/hooks/theirs.lua", "wrap.fs.write('/tmp/never', 'x') wrap.on('start', print)");
    sandbox.wrap(["true"]).piped().expect_code(0);
    let listed = sandbox.wrap(["hooks", "list", "--json"]).piped().expect_code(0);
    let all: Vec<Value> = serde_json::from_slice(&listed.stdout).expect("json");
    let of = |key: &str| -> Vec<String> { all.iter().map(|one| one[key].to_string()).collect() };
    assert_eq!(of("name"), ["\"notify\"", "\"a-bad\"", "\"b-good\"", "\"c-broken\"", "\".wrap/theirs\""]);
    assert_eq!(of("origin"), ["\"shipped\"", "\"user\"", "\"user\"", "\"user\"", "\"project\""]);
    assert_eq!(of("runs"), ["true", "true", "true", "false", "false"]);
    assert_eq!(of("events")[2..], ["[\"start\",\"exit\"]", "[]", "[]"]);
    assert!(all[3]["problem"].as_str().expect("why").contains("c-broken.lua:1:"), "{all:?}");
    assert!(all[4]["problem"].as_str().expect("why").contains("not trusted"), "{all:?}");
    assert!(all[1]["last"][0]["failed"].as_str().expect("why").contains("no luck"), "{all:?}");
    assert_eq!((&all[2]["last"][0]["event"], &all[2]["last"][0]["failed"]), (&"start".into(), &Value::Null));
    assert_eq!(all[2]["last"][1]["event"], "exit");
    let text = sandbox.wrap(["hooks"]).piped().expect_code(0).out();
    assert!(text.contains("b-good") && text.contains("start exit") && text.contains("went well"), "{text}");
    assert!(text.contains("no luck") && text.contains("not trusted"), "{text}");
}

#[test]
fn a_new_hook_is_a_template_that_works_and_nothing_is_written_over() {
    let sandbox = Sandbox::new();
    let made = sandbox.wrap(["hooks", "new", "tell"]).piped().expect_code(0);
    let path = made.out();
    assert!(path.trim().ends_with("config/wrap/hooks/tell.lua"), "{path}");
    let checked = sandbox.wrap(["hooks", "check"]).piped().expect_code(0);
    assert!(checked.out().contains("tell.lua: start ready exit"), "{}", checked.out());
    assert_eq!(sandbox.wrap(["true"]).piped().expect_code(0).err(), "");
    let again = sandbox.wrap(["hooks", "new", "tell"]).piped().expect_code(1);
    assert!(again.err().contains("is there already"), "{}", again.err());
    sandbox.wrap(["hooks", "new", "../x"]).piped().expect_code(1);
    sandbox.wrap(["hooks", "new", "shout", "--project", "--from", "notify"]).piped().expect_code(0);
    let copied = std::fs::read_to_string(sandbox.project().join(".wrap/hooks/shout.lua")).expect("there");
    assert_eq!(copied, include_str!("../../hooks/notify.lua"));
    let none = sandbox.wrap(["hooks", "new", "x", "--from", "nothing"]).piped().expect_code(1);
    assert!(none.err().contains("no hook `nothing` ships"), "{}", none.err());
}

#[test]
fn a_trial_shows_what_the_handlers_did_and_does_nothing_to_a_run() {
    let sandbox = Sandbox::new();
    sandbox.hook(
        "all",
        "wrap.on('start', function(i) i.env.A = 'x' table.insert(i.cmdArgs, 'more') wrap.rename('other') print(i.projectName) end)\n\
         wrap.on('ready', function(i) wrap.notify(i.url) wrap.send('rs') wrap.stop() end)\n\
         wrap.on('line', {pattern = 'ERR'}, function(_, line) print('saw ' .. line) end)\n\
         wrap.on('exit', function(i) error(i.exitCode) end)\n\
         wrap.on('stale', function() return 'kill' end)",
    );
    let test = |words: &[&str], code: i32| {
        let words = ["hooks", "test"].iter().chain(words);
        sandbox.wrap(words).piped().expect_code(code).out()
    };
    let start = test(&["start"], 0);
    assert_eq!(
        start.lines().take(4).collect::<Vec<_>>(),
        ["hook all: project", "env: A=x", "command: npm run dev more", "name: other"]
    );
    assert!(start.contains("all: went well in "), "{start}");
    let ready = test(&["ready", "all"], 0);
    assert!(
        ready.contains("notification: project: http://localhost:3000\nwould type: rs\nwould end the run\n"),
        "{ready}"
    );
    assert!(test(&["line", "--line", "an ERR"], 0).contains("saw an ERR"));
    assert!(test(&["line"], 0).contains("no hook was called for `line`"));
    assert!(test(&["exit"], 1).contains("all: failed in "));
    assert!(test(&["stale"], 0).contains("verdict: kill"));
    let unknown = sandbox.wrap(["hooks", "test", "redy"]).piped().expect_code(2);
    assert!(unknown.err().contains("did you mean `ready`"), "{}", unknown.err());
    // For one that runs, and from a file that is nowhere special.
    let file = sandbox.write("try.lua", "wrap.on('ready', function(i) print(i.projectName, i.pid > 0) end)");
    std::fs::remove_file(sandbox.root().join("config/wrap/hooks/all.lua")).expect("removed");
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    let live = test(&["ready", file.to_str().expect("UTF-8"), "--target", "shop"], 0);
    assert!(live.contains("hook try: shop\ttrue"), "{live}");
    sandbox.wrap(["hooks", "test", "ready", "--target", "nobody"]).piped().expect_code(3);
    sandbox.stop_all();
}

#[test]
fn nothing_of_an_untrusted_project_runs_by_a_slip() {
    let sandbox = Sandbox::new();
    let file =
        sandbox.write("project/.wrap/hooks/evil.lua", "print('ran') wrap.on('start', function() print('ran') end)");
    for words in [
        vec!["hooks"],
        vec!["hooks", "check"],
        vec!["hooks", "test", "start"],
        vec!["hooks", "check", ".wrap/hooks/evil.lua"],
        vec!["hooks", "test", "start", file.to_str().expect("UTF-8")],
        vec!["hooks", "test", "start", ".wrap/evil"],
    ] {
        let tried = sandbox.wrap(&words).piped();
        let said = tried.out() + &tried.err();
        assert!(!said.contains("ran\n"), "{words:?}: {said}");
        if words.len() > 2 {
            assert!(said.contains("trust"), "{words:?}: {said}");
        }
    }
    // From elsewhere, by a link, and where the project cannot be read as a whole.
    std::os::unix::fs::symlink("/etc/hostname", sandbox.project().join(".wrap/link")).expect("linked");
    sandbox.write("project/.wrap/lib/more.lua", "print('ran') wrap.on('start', function() print('ran') end)");
    std::os::unix::fs::symlink(&file, sandbox.root().join("mine.lua")).expect("linked");
    for path in [".wrap/hooks/evil.lua", ".wrap/lib/more.lua", "../mine.lua"] {
        let from_there = sandbox.wrap(["hooks", "test", "start", path]).piped().expect_code(1);
        assert!(!from_there.out().contains("ran\n"), "{path}: {}", from_there.out());
    }
    let outside =
        sandbox.wrap(["hooks", "check", "project/.wrap/hooks/evil.lua"]).cwd(sandbox.root()).piped().expect_code(1);
    assert!(!outside.out().contains("ran\n"), "{}", outside.out());
}

#[test]
fn a_trusted_projects_mistake_is_found_and_its_directory_must_be_the_one_that_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.wrap/hooks/foo.lua", "\nx = = 1");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let checked = sandbox.wrap(["hooks", "check"]).piped().expect_code(1);
    assert!(checked.out().contains("foo.lua:2:5: "), "{}", checked.out());
    sandbox.write("project/web/.wrap/hooks/a.lua", "");
    let refused = sandbox.wrap(["trust", "web"]).piped().expect_code(1);
    assert!(refused.err().contains("is never run"), "{}", refused.err());
    let unknown = sandbox.wrap(["hooks", "test", "ready", "notfy"]).piped().expect_code(1);
    assert!(unknown.err().contains("there is no hook `notfy`"), "{}", unknown.err());
    let shipped = sandbox.wrap(["hooks", "test", "ready", "notify"]).piped().expect_code(0);
    assert!(shipped.out().contains("notification: project: ready at http://localhost:3000"), "{}", shipped.out());
}

#[test]
fn a_mistake_is_told_with_line_and_column() {
    let sandbox = Sandbox::new();
    for (text, place) in [
        ("local x = = 1\n", "1:11: Expected identifier"),
        ("-- a\nwrap.on('start', function(i)\n    if i.port the\n    end\nend)", "3:15: Expected 'then'"),
        ("local t = {1, 2\n", "2:1: Expected '}'"),
        ("print('a' 'b')", "1:11: Expected ')'"),
        ("x = 'unfinished\n", "1:5: Malformed string"),
    ] {
        let file = sandbox.write("try.lua", text);
        let checked = sandbox.wrap(["hooks", "check", file.to_str().expect("UTF-8")]).piped().expect_code(1);
        assert!(checked.out().contains(&format!("try.lua:{place}")), "{text}: {}", checked.out());
    }
    let file = sandbox.write("try.lua", "wrap.on('strat', print)");
    let checked = sandbox.wrap(["hooks", "check", file.to_str().expect("UTF-8")]).piped().expect_code(1);
    assert!(checked.out().contains("did you mean `start`"), "{}", checked.out());
}

#[test]
fn the_settings_in_force_are_shown_with_their_sources() {
    let sandbox = Sandbox::new();
    let user = sandbox.write("config/wrap/config.toml", "# mine\ngrace = 2\nhooks = ['notify']\n");
    sandbox.write("project/wrap.toml", "name = 'shop'\ngrace = 9\n");
    let shown = sandbox.wrap(["config"]).piped().expect_code(0);
    let text = shown.out();
    assert!(shown.err().contains("`grace`: not used") && shown.err().contains("wrap trust"), "{}", shown.err());
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("name =").starts_with("name = \"shop\"") && line("name =").ends_with("project/wrap.toml:1"), "{text}");
    assert!(line("grace").starts_with("grace = 2.0") && line("grace").ends_with("config.toml:2"), "{text}");
    assert!(line("hooks").starts_with("hooks = [\"notify\"]"), "{text}");
    assert!(line("# port").ends_with("# default") && line("center").ends_with("WRAP_CENTER"), "{text}");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let json = sandbox.wrap(["config", "--json"]).piped().expect_code(0);
    let json: Value = serde_json::from_slice(&json.stdout).expect("json");
    assert_eq!((&json["grace"]["value"], &json["port"]["source"]), (&9.0.into(), &Value::Null));
    assert_eq!(json["hooks"]["source"], format!("{}:3", user.display()));
    let schema = sandbox.wrap(["config", "--schema", "project"]).piped().expect_code(0);
    assert_eq!(schema.out(), include_str!("../../schema/wrap.schema.json"));
}
