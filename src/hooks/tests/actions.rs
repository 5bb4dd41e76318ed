//! What a hook may do beyond its own state.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

fn body(lines: &str) -> House {
    House::one(&format!("wrap.on('ready', {{timeout = 20}}, function(i)\n{lines}\nend)"))
}

#[test]
fn a_program_runs_in_the_instances_directory_and_its_end_is_told() {
    let mut house = body(
        r#"
        local r = wrap.run{"sh", "-c", "cat; pwd; echo oops >&2; echo $A $WRAP_HOOK $WRAP_INSTANCE_ID; exit 3", stdin = "in\n", env = {A = "x"}}
        print(r.ok, r.code, r.signal, r.timedOut, r.error)
        print((r.stdout:gsub("\n", " ")), r.stderr)
        r = wrap.run{"sh", "-c", "kill -9 $$"}
        print(r.ok, r.code, r.signal)
        r = wrap.run{"true"}
        print(r.ok, r.code)
        r = wrap.run{"no-such-program"}
        print(r.ok, r.code, r.error)
        r = wrap.run{"true", cwd = "nowhere"}
        print(r.ok, r.error ~= nil)
        "#,
    );
    let place = house.dir.path().canonicalize().expect("there").display().to_string();
    let said = house.says(Event::Ready);
    assert_eq!(said[0], "false\t3\tnil\tfalse\tnil");
    assert_eq!(said[1], format!("in {place} x 0198 \toops"));
    assert_eq!(
        said[2..],
        ["false\tnil\tSIGKILL", "true\t0", "false\t127\tcommand not found: `no-such-program`", "false\ttrue"]
    );
}

#[test]
fn a_program_is_ended_with_all_of_its_own_when_its_time_is_over() {
    let mut house = body(
        r#"
        local r = wrap.run{"sh", "-c", "trap '' TERM; setsid sleep 987 & echo $!; sleep 987", timeout = 0.3}
        print(r.ok, r.timedOut, r.signal)
        print(r.stdout)
        "#,
    );
    let begun = Instant::now();
    let said = house.says(Event::Ready);
    assert_eq!(said[0], "false\ttrue\tSIGKILL");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let pid: u32 = said[1].trim().parse().expect("a pid");
    assert!(crate::sys::process::look(pid).expect("looked").is_none_or(|process| process.is_dead()), "{said:?}");
}

#[test]
fn what_a_program_writes_is_bounded_and_what_it_leaves_is_not_waited_for() {
    let mut house = body(
        r#"
        local r = wrap.run{"sh", "-c", "head -c 3000000 /dev/zero"}
        print(#r.stdout, r.ok)
        r = wrap.run{"sh", "-c", "sleep 30 & echo $!"}
        print(r.ok, wrap.run{"kill", (r.stdout:gsub("%s", ""))}.ok)
        r = wrap.run{"sh", "-c", "cat >/dev/null", stdin = string.rep("x", 1e6)}
        print(r.ok)
        r = wrap.run{"true", stdin = string.rep("x", 1e6)}
        print(r.ok)
        "#,
    );
    let begun = Instant::now();
    assert_eq!(house.says(Event::Ready), ["1048576\ttrue", "true\ttrue", "true", "true"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_wrongly_asked_is_an_error_in_the_hooks_own_line() {
    for (line, why) in [
        ("wrap.run('ls')", "`wrap.run` takes a table of words, as in `wrap.run{\"git\", \"status\"}`"),
        ("wrap.run{}", "`wrap.run`: the first word is the program, and there is none"),
        ("wrap.run{'ls', {}}", "`wrap.run`: word 2 is table"),
        ("wrap.run{'ls', dir = '/'}", "there is no option `dir`: there are `cwd`, `env`, `stdin` and `timeout`"),
        ("wrap.run{'ls', timeout = 0}", "`timeout` is a number of seconds, not number"),
        ("wrap.run{'ls', env = {['A=B'] = 'x'}}", "`env`: this cannot name a variable"),
        ("wrap.http('x')", "takes a table"),
        ("wrap.http{}", "`url` is missing"),
        ("wrap.http{url = 'ftp://x/'}", "`ftp://x/` is no `http://` or `https://` address"),
        ("wrap.http{url = 'http://x/', verb = 'GET'}", "there is no option `verb`"),
        ("wrap.open('javascript:alert(1)')", "is no `http://` or `https://` address"),
        ("wrap.open('file:///etc/passwd')", "is no `http://` or `https://` address"),
        ("wrap.notify()", "`wrap.notify` takes a text, or a title and a text"),
        ("wrap.connects('x')", "`wrap.connects` takes a host, a port"),
        ("wrap.send({})", "`wrap.send` takes a text"),
    ] {
        let mut house = body(line);
        let said = house.says(Event::Ready);
        assert!(said.len() == 1 && said[0].starts_with("h.lua:2: ") && said[0].contains(why), "{line}: {said:?}");
    }
    for call in ["wrap.run{'true'}", "wrap.spawn{'true'}", "wrap.notify('x')", "wrap.stop()", "wrap.store.get('x')"] {
        let mut house = House::one(call);
        house.start();
        assert!(house.said()[0].contains("works within a handler only"), "{call}");
    }
}

#[test]
fn a_program_in_the_background_runs_until_it_is_stopped() {
    let mut house = body(
        r#"
        local job = wrap.spawn{"sleep", "987"}
        print(job.pid, job.running())
        job.stop()
        print(job.running())
        print(select(2, pcall(wrap.spawn, {"no-such-program"})))
        for _ = 1, 16 do wrap.spawn{"sleep", "3"} end
        print(select(2, pcall(wrap.spawn, {"sleep", "3"})))
        "#,
    );
    let said = house.says(Event::Ready);
    let (pid, running) = said[0].split_once('\t').expect("two");
    assert_eq!((running, said[1].as_str()), ("true", "false"));
    let pid: u32 = pid.parse().expect("a pid");
    assert!(crate::sys::process::look(pid).expect("looked").is_none_or(|process| process.is_dead()));
    assert!(said[2].contains("command not found"), "{said:?}");
    assert!(said[3].contains("16 programs of this hook run already"), "{said:?}");
}

/// Answers one request after the other with this; what was asked is sent back.
fn server(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut asked) = (stream, Vec::new());
            let mut chunk = [0; 4096];
            // A request of these tests ends with its head, or with the `}` of its JSON.
            let is_whole = |asked: &[u8]| {
                let has_body = String::from_utf8_lossy(asked).contains("content-length");
                asked.ends_with(if has_body { b"}" } else { b"\r\n\r\n" })
            };
            while !is_whole(&asked) {
                match stream.read(&mut chunk) {
                    Ok(count @ 1..) => asked.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            let _ = tell.send(String::from_utf8_lossy(&asked).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, told)
}

#[test]
fn a_server_is_asked_and_what_it_answers_or_not_is_a_value() {
    let answer = "HTTP/1.1 201 Created\r\nX-Kind: made\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine";
    let (port, asked) = server(answer);
    let mut house = body(&format!(
        r#"
        local r = wrap.http{{url = "http://127.0.0.1:{port}/hook", json = {{text = "up"}}, headers = {{["X-A"] = "b"}}}}
        print(r.ok, r.status, r.body, r.headers["x-kind"])
        r = wrap.http{{url = "http://localhost:{port}/"}}
        print(r.ok, r.status)
        r = wrap.http{{url = "http://127.0.0.1:1/"}}
        print(r.ok, r.status, r.error ~= nil)
        print(wrap.connects("127.0.0.1", {port}), wrap.connects("127.0.0.1", 1))
        "#
    ));
    assert_eq!(house.says(Event::Ready), ["true\t201\tfine\tmade", "true\t201", "false\tnil\ttrue", "true\tfalse"]);
    let first = asked.recv().expect("asked").to_lowercase();
    assert!(first.starts_with("post /hook http/1.1\r\n") && first.ends_with("{\"text\":\"up\"}"), "{first}");
    assert!(first.contains("content-type: application/json") && first.contains("x-a: b"), "{first}");
    assert!(asked.recv().expect("asked").starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn a_server_that_says_nothing_or_too_much_costs_the_time_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let mut house = body(&format!(
        "local r = wrap.http{{url = 'http://127.0.0.1:{port}/', timeout = 0.2}}\nprint(r.ok, r.error ~= nil)"
    ));
    let begun = Instant::now();
    assert_eq!(house.says(Event::Ready), ["false\ttrue"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let (port, _asked) = server("HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\nConnection: close\r\n\r\nx");
    let mut house =
        body(&format!("local r = wrap.http{{url = 'http://127.0.0.1:{port}/'}}\nprint(r.ok, r.error ~= nil)"));
    assert_eq!(house.says(Event::Ready), ["false\ttrue"]);
}

#[test]
fn news_lines_and_the_end_are_wishes_to_the_process_that_it_runs_in() {
    let mut house = body("wrap.notify('up')\nwrap.notify('sh\\27op', 'a\\nb')\nwrap.send('rs')\nwrap.stop()");
    assert_eq!(house.says(Event::Ready), Vec::<String>::new());
    let news = |title: &str, text: &str| Wish::Notify { title: title.into(), text: text.into() };
    assert_eq!(house.wished(), [news("shop", "up"), news("shop", "a b"), Wish::Send("rs".into()), Wish::Stop]);
    for (event, line, why) in [
        (Event::Start, "wrap.send('x')", "the command does not run yet"),
        (Event::Exit, "wrap.send('x')", "the command has ended"),
        (Event::Start, "wrap.stop()", "`wrap.refuse` keeps it from starting"),
        (Event::Stale, "wrap.stop()", "a stale hook returns `kill`"),
        (Event::Ready, "wrap.send('x')", "no terminal of its own"),
    ] {
        let mut house = House::one(&format!("wrap.on('{}', function() {line} end)", event.as_str()));
        house.fire(event, json!({"mode": "pipe"}));
        assert!(house.said()[0].contains(why), "{why}");
        assert_eq!(house.wished(), []);
    }
}

#[test]
fn files_are_written_whole_or_added_to_and_nothing_but_files() {
    let mut house = body(
        r#"
        wrap.fs.write("new.txt", "one\n") wrap.fs.append("new.txt", "two\n") print((wrap.fs.read("new.txt"):gsub("\n", " ")))
        wrap.fs.write("new.txt", "x") print(wrap.fs.read("new.txt"))
        for _, path in {".", "none/x", "/dev/full"} do print(select(2, pcall(wrap.fs.append, path, "y"))) end
        print(select(2, pcall(wrap.fs.write, "big", string.rep("x", 2e6))))
        "#,
    );
    let said = house.says(Event::Ready);
    assert_eq!(said[..2], ["one two ", "x"]);
    assert!(said[2..].iter().all(|line| line.contains("cannot write `")), "{said:?}");
    assert!(!house.dir.path().join("big").exists());
}
