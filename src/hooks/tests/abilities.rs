//! What a hook may look at and wait for.

use super::*;
use std::net::TcpListener;
use std::time::Instant;

fn body(lines: &str) -> House {
    House::one(&format!("wrap.on('start', function(i)\n{lines}\nend)"))
}

#[test]
fn json_goes_both_ways() {
    let mut house = body(
        r#"
        local value = wrap.json.decode('{"name":"shop","ports":[3000,8080],"deep":{"on":true,"off":null},"half":0.5}')
        print(value.name, value.ports[2], value.deep.on, value.deep.off, value.half)
        print(wrap.json.encode(value.ports), wrap.json.encode({}), wrap.json.encode({a = {1, "zwei\n", true}}))
        print(wrap.json.encode("\u{e9}\x01"), wrap.json.encode(3000), wrap.json.encode(nil))
        "#,
    );
    let said = house.says(Event::Start);
    assert_eq!(said[0], "shop\t8080\ttrue\tnil\t0.5");
    assert_eq!(said[1], "[3000,8080]\t[]\t{\"a\":[1,\"zwei\\n\",true]}");
    assert_eq!(said[2], "\"é\\u0001\"\t3000\tnull");
}

#[test]
fn what_is_no_json_or_has_no_end_is_an_error_in_the_hooks_own_line() {
    for (line, why) in [
        ("wrap.json.decode('{')", "`wrap.json.decode`: EOF while parsing an object"),
        ("wrap.json.decode(7)", "`wrap.json.decode`: takes a text"),
        ("wrap.json.decode(string.rep('[', 1000))", "recursion limit exceeded"),
        ("wrap.json.encode(print)", "JSON has no function"),
        ("wrap.json.encode({1, a = 2})", "names or numbers, not both"),
        ("wrap.json.encode(0 / 0)", "no infinity and no NaN"),
        ("local t = {} t.t = t wrap.json.encode(t)", "too large for JSON"),
        ("local t = {} for _ = 1, 40 do t = {t, t} end wrap.json.encode(t)", "too large for JSON"),
        ("wrap.json.encode({string.rep('x', 2e6)})", "too large for JSON"),
    ] {
        let mut house = body(line);
        let begun = Instant::now();
        let said = house.says(Event::Start);
        assert!(said.len() == 1 && said[0].starts_with("h.lua:2: ") && said[0].contains(why), "{line}: {said:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{line}");
    }
}

#[test]
fn files_are_read_as_the_command_would_see_them() {
    let mut house = body(
        r#"
        print(wrap.fs.read("note.txt"), wrap.fs.read("none.txt"), wrap.fs.exists("note.txt"), wrap.fs.exists("none.txt"))
        for _, path in {".", "pipe", "large"} do print(select(2, pcall(wrap.fs.read, path))) end
        "#,
    );
    write(&house.dir.path().join("note.txt"), b"remember");
    write(&house.dir.path().join("large"), &vec![b'x'; 2 << 20]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        house.dir.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a FIFO");
    let said = house.says(Event::Start);
    assert_eq!(said[0], "remember\tnil\ttrue\tfalse");
    assert!(said[1].contains("not a regular file") && said[2].contains("not a regular file"), "{said:?}");
    assert!(said[3].contains("larger than 1 MiB"), "{said:?}");
    let mut at_load = House::one("wrap.fs.read('note.txt')");
    at_load.start();
    assert!(at_load.said()[0].contains("within a handler only"));
}

#[test]
fn ports_variables_and_instances_can_be_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let mut house = body(&format!(
        "i.env.MINE = 'x' print(wrap.port_free({port}), wrap.env('MINE'), wrap.env('HOOKS_NONE'), #wrap.env('CARGO_MANIFEST_DIR') > 0, type(wrap.instances()))"
    ));
    assert_eq!(house.says(Event::Start), ["false\tx\tnil\ttrue\ttable"]);
    drop(listener);
    let mut house = body(&format!("print(wrap.port_free({port}))"));
    assert_eq!(house.says(Event::Start), ["true"]);
    for line in
        ["wrap.port_free(0)", "wrap.port_free(70000)", "wrap.port_free('x')", "wrap.env()", "wrap.fs.read = nil"]
    {
        let mut house = body(line);
        assert!(house.says(Event::Start)[0].starts_with("h.lua:2: "), "{line}");
    }
}

#[test]
fn a_sleep_ends_with_the_time_of_its_call_and_an_option_gives_more() {
    let mut house = House::one(
        "wrap.on('start', function() wrap.sleep(60) end)\n\
         wrap.on('start', {timeout = 0.7}, function() wrap.sleep(0.3) print('slept') wrap.sleep(60) end)",
    );
    house.limits = SHORT;
    let begun = Instant::now();
    house.start();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert_eq!(
        house.said(),
        ["hook h: h.lua:1: stopped after 100 ms", "hook h: slept", "hook h: h.lua:2: stopped after 700 ms"]
    );
    for options in ["{timeout = 61}", "{timeout = 0}", "{timeout = 'x'}", "{limit = 1}", "7"] {
        let mut house = House::one(&format!("wrap.on('start', {options}, function() end)"));
        house.start();
        assert!(house.said()[0].starts_with("hook h: h.lua:1: "), "{options}");
    }
}
