//! Hooks that hang, eat memory or recurse: each ends at its limit, the process lives, and the other hook runs.

use super::*;
use std::time::Instant;

/// Runs a body in a start hook beside a well-behaved one, twice; returns what the bad one's first run said.
fn attack(body: &str, limits: Limits) -> String {
    let mut house = House::new(&[
        ("h.lua", &format!("wrap.on('start', function()\n{body}\nend)")),
        ("i.lua", "wrap.on('start', function(i) i.env.OK = '1' end)"),
    ]);
    house.limits = limits;
    let mut first = None;
    for _ in 0..2 {
        let before = Instant::now();
        assert_eq!(house.start().env, [set("OK", "1")], "{body}");
        let took = before.elapsed();
        assert!(took < limits.time + Duration::from_secs(1), "{body}: {took:?}");
        first.get_or_insert(house.said());
    }
    let said = first.unwrap_or_default();
    assert!(said.len() <= 1, "{said:?}");
    said.into_iter().next().unwrap_or_default()
}

/// The attack is stopped by the time limit, in an orderly way.
fn stopped(body: &str) {
    let said = attack(body, SHORT);
    assert!(said.starts_with("hook h: h.lua:") && said.ends_with(": stopped after 100 ms"), "{body}: {said}");
}

/// The attack is an error of the hook, with these words in it.
fn fails(body: &str, why: &str) {
    let said = attack(body, Limits::default());
    assert!(said.starts_with("hook h: ") && said.contains(why), "{body}: {said}");
}

/// The attack comes to an end by itself, and soon.
fn ends(body: &str) {
    assert_eq!(attack(body, Limits::default()), "", "{body}");
}

#[test]
fn loops_are_stopped() {
    stopped("while true do end");
    stopped("for i = 1, math.huge do end");
    stopped("while true do pcall(function() while true do end end) end");
    stopped("local function f() while true do pcall(f) end end f()");
    stopped("while true do xpcall(error, function() while true do end end) end");
    stopped("while true do coroutine.resume(coroutine.create(function() while true do end end)) end");
    stopped("while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end");
    stopped("table.sort(table.create(9, 1), function() while true do end end)");
    stopped("print(setmetatable({}, {__tostring = function() while true do end end}))");
    stopped("error(setmetatable({}, {__tostring = function() while true do end end}))");
    stopped(
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
    );
    stopped("for _ in setmetatable({}, {__iter = function() while true do end end}) do end");
    stopped(
        "local p = newproxy(true) getmetatable(p).__gc = function() while true do end end p = nil while true do local t = {} end",
    );
    stopped("while true do local t = table.create(1000) end");
}

#[test]
fn a_load_that_hangs_is_stopped() {
    let mut house = House::new(&[("h.lua", "\nwhile true do end"), ("i.lua", "wrap.on('start', print)")]);
    house.limits = SHORT;
    let before = Instant::now();
    house.start();
    assert!(before.elapsed() < SHORT.time + Duration::from_secs(1));
    let said = house.said();
    assert_eq!(said[0], "hook h: h.lua:2: stopped after 100 ms");
    assert!(said[1].starts_with("hook i: table: "), "{said:?}");
}

#[test]
fn patterns_are_stopped() {
    stopped("string.find(string.rep('a', 1e6), string.rep('a-', 20) .. 'b')");
    stopped("string.find(string.rep('a', 1e6), '.-.-.-.-b')");
    stopped("string.match(string.rep('a', 4000), string.rep('a?', 150) .. string.rep('a', 150) .. 'b')");
    stopped("string.gsub(string.rep('a', 1e6), '.-b', '')");
    stopped("for _ in string.gmatch(string.rep('a', 1e6), 'a*b') do end");
    stopped("string.gsub(string.rep('(', 1e6), '%b()', '')");
    stopped("string.find(string.rep('a', 1e6), '[' .. string.rep('b', 50) .. ']*c', 1)  while true do end");
    stopped("local s = string.rep('a', 1e6) while true do string.find(s, string.rep('a', 30) .. 'b', 1, true) end");
}

#[test]
fn searches_that_would_pass_no_interrupt_are_refused() {
    let too_large = "h.lua:2: string.find: text and pattern are too large";
    fails("string.find(string.rep('a', 2e7), string.rep('a', 1e7) .. 'b', 1, true)", too_large);
    fails("(string.rep('a', 2e7)):find('[' .. string.rep('b', 1e7) .. ']*c')", too_large);
    fails("string.split(string.rep('a', 2e7), string.rep('a', 1e7) .. 'b')", "text and pattern are too large");
    fails("table.move({}, 1, 2^31 - 2, 1)", "h.lua:2: table.move: the range is too large");
    fails("table.move({}, 2^40, -2, 1)", "table.move: the range is too large");
    fails("table.move({}, 0/0, 2^30, 1)", "table.move: the range is too large");
    fails("table.move({}, '1', '2e9', 1)", "table.move: the range is too large");
    fails("os.date(string.rep('%c', 1e6))", "h.lua:2: os.date: the format is too long");
}

/// C code that calls C code, over and over, by way of metamethods and comparators.
#[test]
fn c_functions_that_call_each_other_are_stopped() {
    stopped("local t = table.create(1e5, '9999') for i = 1, 1e5, 2 do t[i] = '8888' end table.sort(t, string.rep)");
    stopped(
        "local m = {__eq = table.find} local a, b = setmetatable({}, m), setmetatable({}, m)
         for i = 1, 40 do a, b = setmetatable(table.create(9, a), m), setmetatable(table.create(9, b), m) end
         return table.find(a, b)",
    );
    stopped(
        "local slow = setmetatable(table.create(1e6, ''), {__tostring = table.concat})
         local many = table.create(1e5, slow) string.format(string.rep('%*', 1e5), table.unpack(many))",
    );
    stopped(
        "local t = setmetatable({}, {__tostring = next}) for i = 1, 1e5 do t[i .. ''] = 1 end
         for k in t do t[k] = nil end t.z = 1
         while true do tostring(t) end",
    );
    fails("table.foreach({}, print)", "attempt to call a nil value");
}

#[test]
fn single_steps_of_the_library_end_soon() {
    ends("local s = string.rep('a', 1.5e7) local n = #s:upper() + #s:reverse() + utf8.len(s) return n");
    ends("local s = string.rep('1', 1e7) return tonumber(s), tonumber(s, 36), s + 0");
    ends("local b = buffer.create(3e7) buffer.fill(b, 0, 7) buffer.copy(b, 1, b, 0, 2e7)");
    ends("local t = table.create(1e6, 1) for i = 1, 20 do table.insert(t, 1, 1) table.remove(t, 1) end");
    ends("local t = table.create(1e6, 'x') return #table.concat(t), select('#', table.unpack(t, 1, 1e5))");
    ends("local t = {} for i = 1, 2e4 do t[i] = -i end table.sort(t)");
    ends("return string.format('%q', string.rep('\\n', 4e6))");
}

#[test]
fn memory_is_bounded() {
    let why = "used more than 64 MiB";
    fails("local t = {} while true do t[#t + 1] = {1, 2, 3} end", why);
    fails("local s = 'x' while true do s = s .. s end", why);
    fails("return string.rep('x', 1e9)", why);
    fails("return buffer.create(1e9)", why);
    fails("return table.create(2e7)", why);
    fails("local t = table.create(1e6, string.rep('x', 1e6)) return table.concat(t)", why);
    fails("local s = string.rep('x', 1e7) return string.gsub(s, 'x', s)", why);
    fails("local t = {} for i = 1, math.huge do t[i] = coroutine.create(print) end", why);
    fails("local f = print for i = 1, 1e9 do local g = f f = function() return g end end", why);
    fails("local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end", "");
    fails("string.format(string.rep('x', 1e9))", why);
    fails("return (string.rep('x', 3e7)):upper():lower() .. 'x'", why);
    fails("error(string.rep('x', 5e6))", "xxx");
    fails("error(string.rep('x', 3e7))", "");
    ends("print = nil for i = 1, 20 do pcall(string.rep, 'x', 1e9) end");
}

#[test]
fn recursion_is_bounded() {
    fails("local function f() return 1 + f() end f()", "stack overflow");
    fails("local function f() f() end local t = setmetatable({}, {__index = f}) return t.x", "stack overflow");
    fails(
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "overflow",
    );
    fails(
        "local t = {} getmetatable(setmetatable(t, {})).__tostring = function() return tostring(t) end print(t)",
        "overflow",
    );
    fails("local function f() print(setmetatable({}, {__tostring = f})) end f()", "overflow");
    fails("local function f() return (string.gsub('x', 'x', f)) end f()", "overflow");
    fails("local function f() return coroutine.wrap(f)() end f()", "overflow");
    fails("local function f() table.sort({1, 2}, f) end f()", "overflow");
    fails("xpcall(function() error() end, function(e) error(e) end) error('after')", "h.lua:2: after");
    fails("local function h(e) return xpcall(error, h) end xpcall(error, h) error('after')", "after");
    fails("string.find(string.rep('a', 1000), string.rep('(', 300))", "");
    fails("local function f() pcall(f) f() end f()", "");
    ends("return pcall(error, setmetatable({}, {__tostring = error}))");
    fails("error(setmetatable({}, {__tostring = error}))", "");
    fails("error(nil)", "");
}

/// What the parser and the compiler do with is outside of the interrupt and of the memory limit.
#[test]
fn hostile_syntax_is_an_error_and_no_crash() {
    let many = |text: &str| text.repeat((250 << 10) / text.len());
    for source in [
        many("("),
        many("{"),
        many("[["),
        many("-"),
        many("not "),
        many("f("),
        many("a."),
        many("a()"),
        many("function() "),
        many("do "),
        many("if a then "),
        many("while a do "),
        many("`{"),
        many("`{`"),
        many("\\"),
        many("\0"),
        many("\u{feff}"),
        format!("return 1{}", many("+1")),
        format!("return 1{}", many("^1")),
        format!("return 1{}", many("..1")),
        format!("return a{}", many(".a")),
        format!("return a{}", many("[a]")),
        format!("return a{}", many("()")),
        format!("return a{}", many("and a ")),
        format!("if a then {} end", many("elseif a then ")),
        format!("return {}", many("if a then b else ")),
        format!("local t: {}", many("{")),
        format!("local t: {}", many("(a) -> ")),
        format!("type t<{}", many("a,")),
        format!("local {}", many("a,")),
        format!("local a = {{{}}}", many("1,")),
        format!("local a = {{{}}}", many("[a]=1,")),
        many("local a = 1 "),
        many("local function a() "),
        many("for i = 1, 2 do "),
        many("goto a "),
        many("local a = function() return "),
        many("return function() if a then return {"),
        many("a = {[f(function() repeat a("),
        many("a:b({a = if a then "),
        many("local a: typeof("),
        many("local a: {[{a: "),
        format!("local a = {}", many("a :: {")),
        format!("local function a(b: {}", many("(a: ((")),
        many("a = function() return a end "),
    ] {
        let mut house =
            House::new(&[("h.lua", &source), ("i.lua", "wrap.on('start', function(i) i.env.OK = '1' end)")]);
        let before = Instant::now();
        assert_eq!(house.start().env, [set("OK", "1")]);
        let took = before.elapsed();
        assert!(
            took < super::super::TIME_LIMIT + Duration::from_secs(1),
            "{}: {took:?}",
            source.chars().take(30).collect::<String>()
        );
    }
}
