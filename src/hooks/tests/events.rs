//! What a hook can do.

use super::*;
use std::time::Instant;

#[test]
fn each_event_reaches_its_handlers_with_the_instance() {
    let mut house = House::one(
        r#"
        for _, event in {"start", "ready", "unhealthy", "healthy", "line", "restart", "exit", "stale"} do
            wrap.on(event, event == "line" and {pattern = "x"} or nil, function(instance)
                print(event, instance.projectName, instance.port, instance.cmdArgs[2], instance.exitCode, instance.authKey)
            end)
        end
        "#,
    );
    let entry = json!({"projectName": "shop", "port": null, "cmdArgs": ["npm", "run"], "authKey": "secret"});
    for event in Event::ALL {
        let outcome = house.fire(event, entry.clone());
        assert_eq!(outcome, Outcome::default());
        assert_eq!(house.said(), [format!("hook h: {}\tshop\tnil\trun\tnil\tnil", event.as_str())]);
    }
    house.fire(Event::Exit, json!({"exitCode": 3, "projectName": "shop", "cmdArgs": []}));
    assert_eq!(house.said(), ["hook h: exit\tshop\tnil\tnil\t3\tnil"]);
}

#[test]
fn a_start_hook_sets_reads_and_removes_variables_and_the_next_one_sees_it() {
    let mut house = House::new(&[
        (
            "10-first.lua",
            r#"wrap.on("start", function(i) i.env.A = "1"; i.env.B = "2"; i.env.PATH = false; print(i.env.PATH, i.env.HOOKS_NONE) end)"#,
        ),
        (
            "20-second.lua",
            r#"wrap.on("start", function(i) print(i.env.A, i.env.PATH, #i.env.CARGO_MANIFEST_DIR > 0); i.env.B = "3" end)"#,
        ),
    ]);
    let outcome = house.start();
    assert_eq!(outcome.env, [set("A", "1"), set("B", "3"), ("PATH".into(), None)]);
    assert_eq!(house.said(), ["hook 10-first: nil\tnil", "hook 20-second: 1\tnil\ttrue"]);
}

#[test]
fn only_strings_and_false_are_values_and_a_failed_hook_changes_nothing() {
    for (line, why) in [
        ("i.env.N = 5", "`instance.env.N` is to be a string, or false to remove it, not number"),
        ("i.env.N = nil", "`instance.env.N` is to be a string, or false to remove it, not nil"),
        (r#"i.env["A=B"] = "x""#, "`instance.env`: this cannot name a variable"),
        (r#"i.env[""] = "x""#, "`instance.env`: this cannot name a variable"),
        (r#"i.env.N = "a\0b""#, "`instance.env.N`: a value cannot hold a zero byte"),
        (r#"i.env.N = "\xff""#, "`instance.env.N`: a value must be UTF-8"),
        ("i.env[7] = 'x'", "`instance.env`: this cannot name a variable"),
        ("i.env.N = string.rep('x', 131071)", "`instance.env.N`: too much for an environment: write it to a file"),
        (
            "for n = 1, 9 do i.env['N' .. n] = string.rep('x', 1e5) end",
            "`instance.env.N3`: too much for an environment: write it to a file",
        ),
        (r#"rawset(i.env, "N", "x")"#, "attempt to modify a readonly table"),
        ("setmetatable(i.env, nil)", "cannot change a protected metatable"),
    ] {
        let mut house = House::one(&format!("wrap.on('start', function(i)\ni.env.OK = 'x'\n{line}\nend)"));
        assert_eq!(house.start().env, []);
        assert_eq!(house.said(), [format!("hook h: h.lua:3: {why}")]);
    }
}

#[test]
fn the_instance_is_read_only() {
    for line in ["i.port = 1", "i.fresh = 1", "i.ports[1] = 2", "i.env = {}", "rawset(i, 'port', 1)", "wrap.on = nil"] {
        let mut house = House::one(&format!("wrap.on('start', function(i)\n{line}\nend)"));
        house.fire(Event::Start, json!({"port": 3000, "ports": [3000]}));
        let said = house.said();
        assert_eq!(said.len(), 1, "{line}");
        assert!(said[0].starts_with("hook h: h.lua:2: attempt to modify a readonly table"), "{said:?}");
    }
}

#[test]
fn a_start_hook_changes_the_words_and_the_name_and_the_next_one_sees_it() {
    let mut house = House::new(&[
        (
            "a.lua",
            "wrap.on('start', function(i) table.insert(i.cmdArgs, 1, 'doppler'); wrap.rename(' shop 2\\27 ') end)",
        ),
        ("b.lua", "wrap.on('start', function(i) print(i.cmdArgs[1], i.projectName); i.cmdArgs[3] = '--fast' end)"),
        ("c.lua", "wrap.on('ready', function(i) i.cmdArgs[1] = 'late' end)"),
    ]);
    let instance = json!({"cmdArgs": ["npm", "run"], "projectName": "shop"});
    let outcome = house.fire(Event::Start, instance.clone());
    assert_eq!(outcome.args, Some(["doppler", "npm", "--fast"].map(String::from).to_vec()));
    assert_eq!((outcome.name.as_deref(), house.said()), (Some("shop 2"), vec!["hook b: doppler\tshop 2".into()]));
    house.fire(Event::Ready, instance.clone());
    assert!(house.said()[0].contains("readonly"));
    let mut same = House::one("wrap.on('start', function(i) i.cmdArgs[1] = i.cmdArgs[1] end)");
    assert_eq!(same.fire(Event::Start, instance.clone()), Outcome::default());
    for (line, why) in [
        ("table.clear(i.cmdArgs)", "`instance.cmdArgs` has no program any more: its first word is what runs"),
        ("i.cmdArgs[1] = ''", "`instance.cmdArgs` has no program any more: its first word is what runs"),
        ("i.cmdArgs[2] = 7", "`instance.cmdArgs[2]` is to be a text in UTF-8, not number"),
        ("i.cmdArgs[2] = 'a\\0b'", "`instance.cmdArgs[2]` cannot hold a zero byte"),
        (
            "i.cmdArgs[2] = string.rep('x', 3e5)",
            "`instance.cmdArgs[2]` is too much for a command line: write it to a file",
        ),
        ("wrap.rename('')", "h.lua:1: `wrap.rename` takes a name that can be shown"),
    ] {
        let mut house = House::one(&format!("wrap.on('start', function(i) {line} end)"));
        assert_eq!(house.fire(Event::Start, instance.clone()), Outcome::default());
        assert_eq!(house.said(), [format!("hook h: {why}")]);
    }
}

#[test]
fn the_environment_belongs_to_a_start_hook_while_it_runs() {
    let mut house = House::one(
        "local kept\nwrap.on('start', function(i) kept = i.env end)\n\
         wrap.on('exit', function(i) assert(i.env == nil); kept.A = 'late' end)",
    );
    house.start();
    house.fire(Event::Exit, json!({}));
    assert_eq!(house.said(), ["hook h: h.lua:3: `instance.env` can be set while a start hook runs only"]);
}

#[test]
fn a_refusal_ends_all_even_within_pcall() {
    let mut house = House::new(&[
        ("a.lua", "wrap.on('start', function() pcall(wrap.refuse, 'the database\\nis down'); print('still here') end)"),
        ("b.lua", "wrap.on('start', function() print('not asked') end)"),
    ]);
    assert_eq!(house.start().refused.as_deref(), Some("the database is down"));
    assert_eq!(house.said(), Vec::<String>::new());
    let mut house = House::one("wrap.on('exit', function() wrap.refuse('no') end)");
    assert_eq!(house.fire(Event::Exit, json!({})), Outcome::default());
    assert_eq!(house.said(), ["hook h: h.lua:1: `wrap.refuse` works in a start hook only"]);
}

#[test]
fn a_stale_hook_decides_and_the_later_one_counts() {
    for (word, verdict) in [("remove", Verdict::Remove), ("keep", Verdict::Keep), ("kill", Verdict::Kill)] {
        let mut house = House::new(&[
            ("a.lua", "wrap.on('stale', function() return 'keep' end)"),
            ("b.lua", &format!("wrap.on('stale', function() return '{word}' end)")),
            ("c.lua", "wrap.on('stale', function() end)"),
        ]);
        assert_eq!(house.fire(Event::Stale, json!({})).verdict, Some(verdict));
        assert_eq!(house.said(), Vec::<String>::new());
    }
    for (value, shown) in [("'burn'", "burn"), ("true", "boolean"), ("{}", "table")] {
        let mut house = House::one(&format!("wrap.on('stale', function() return {value} end)"));
        assert_eq!(house.fire(Event::Stale, json!({})).verdict, None);
        let why = format!("hook h: returned `{shown}`: a stale hook returns `remove`, `keep`, `kill` or nothing");
        assert_eq!(house.said(), [why]);
    }
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_place_and_others_run() {
    for (source, why) in [
        ("local x = = 1", "h.lua:1: Expected identifier when parsing expression, got '='"),
        ("\n\nerror('no\\nway')", "h.lua:3: no way"),
        ("\nlocal t = nil\nt.x = 1", "h.lua:3: attempt to index nil with 'x'"),
        (
            "wrap.on('strat', print)",
            "h.lua:1: unknown event `strat`: did you mean `start`? the events are `start`, `ready`, `unhealthy`, `healthy`, `line`, `restart`, `exit`, `stale`",
        ),
        (
            "wrap.on('x', print)",
            "h.lua:1: unknown event `x`: the events are `start`, `ready`, `unhealthy`, `healthy`, `line`, `restart`, `exit`, `stale`",
        ),
        ("wrap.on('start')", "h.lua:1: `wrap.on` takes the name of an event and a function"),
        ("\nstring.rep()", "h.lua:2: missing argument #1 to 'rep' (string expected)"),
        ("for i = 1, 99 do wrap.on('start', print) end", "h.lua:1: more than 32 handlers: use a second file"),
        ("require('x')", "h.lua:1: require: there is no `x` beside this hook"),
        ("\u{1b}Lua", "h.lua:1: Expected identifier when parsing expression, got ''"),
    ] {
        let mut house = House::new(&[("h.lua", source), ("i.lua", "wrap.on('start', function(i) i.env.OK = '1' end)")]);
        assert_eq!(house.start().env, [set("OK", "1")]);
        assert_eq!(house.said(), [format!("hook h: {why}")], "{source}");
    }
    let mut house = House::one("wrap.on('start', function() wrap.on('exit', print) end)");
    house.start();
    let why = "`wrap.on` has no effect within a handler: call it at the top of the file";
    assert_eq!(house.said(), [format!("hook h: h.lua:1: {why}")]);
}

#[test]
fn what_is_printed_is_a_line_each_harmless_and_bounded() {
    let mut house = House::one(
        r#"wrap.on("start", function()
            print("one\ntwo\tx\27[31m\7\r", 3, nil, true)
            wrap.log(setmetatable({}, {__tostring = function() return "named" end}))
            print()
            print(string.rep("é", 5000))
        end)"#,
    );
    house.start();
    let said = house.said();
    assert_eq!(said[..4], ["hook h: one", "hook h: two\tx[31m\t3\tnil\ttrue", "hook h: named", "hook h: "]);
    assert_eq!(said[4].len(), "hook h: ".len() + super::super::text::LINE_BYTES + "…".len());

    let mut house = House::one("wrap.on('start', function() for i = 1, 1e4 do print(i) end end)");
    for _ in 0..2 {
        house.start();
        let said = house.said();
        assert_eq!(said.len(), 101);
        assert_eq!(said[100], "hook h: printed more than 100 lines: the rest is dropped");
    }
}

#[test]
fn three_failures_in_a_row_switch_a_hook_off() {
    let mut house = House::new(&[
        ("h.lua", "local n = 0\nwrap.on('ready', function() n += 1; if n ~= 3 then error(n, 0) end end)"),
        ("i.lua", "wrap.on('ready', function() print('on') end)"),
    ]);
    let mut said = Vec::new();
    for _ in 0..8 {
        house.fire(Event::Ready, json!({}));
        said.extend(house.said().into_iter().filter(|line| line.starts_with("hook h")));
    }
    let off = "hook h: failed 3 times in a row: switched off for this run";
    let failed = |n| format!("hook h: h.lua:2: {n}");
    assert_eq!(said, [failed(1), failed(2), failed(4), failed(5), failed(6), off.into()]);
}

#[test]
fn fire_returns_at_once_and_calls_back_in_order() {
    let house = House::one("wrap.on('ready', function() while true do end end)");
    let runner = Runner::with_limits(Hooks::in_dir(house.dir.path()), Arc::new(|_| Ok(())), SHORT);
    let (tell, told) = std::sync::mpsc::channel();
    let before = Instant::now();
    for n in 0..2 {
        let tell = tell.clone();
        runner.fire(Event::Ready, json!({}), move |_| tell.send(n).expect("heard"));
    }
    drop(runner);
    assert!(before.elapsed() < SHORT.time, "{:?}", before.elapsed());
    assert_eq!(told.iter().take(2).collect::<Vec<_>>(), [0, 1]);
}
