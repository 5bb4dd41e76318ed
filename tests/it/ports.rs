//! The port: found by what the command listens on, by what it prints, by what it was told.

use crate::harness::{Sandbox, Server, signal};

fn stop_all(sandbox: &Sandbox) {
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    sandbox.wait_no_entry();
}

#[test]
fn a_server_that_prints_nothing_is_found_by_its_socket() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    // Two processes deep: npm, a shell, node.
    sandbox.wrap(["-d", "npm", "start"]).piped().expect_code(0);
    let instance = sandbox.wait_instances("a port", |list| list.iter().find(|one| one.port.is_some()).cloned());
    let port = instance.port.expect("a port");
    assert_eq!(instance.url, Some(format!("http://localhost:{port}")));
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("somebody listens there");
    stop_all(&sandbox);
}

#[test]
fn a_printed_address_is_kept_as_it_was_printed() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/app.js",
        "const s = require('http').createServer(); s.listen(0, '127.0.0.1', () => \
         console.log(`open \\x1b[36mhttp://localhost:\\x1b[1m${s.address().port}\\x1b[22m/app/\\x1b[39m`));",
    );
    sandbox.wrap(["-d", "node", "app.js"]).piped().expect_code(0);
    let instance = sandbox.wait_instances("a URL", |list| list.iter().find(|one| one.url.is_some()).cloned());
    let port = instance.port.expect("a port");
    assert_eq!(instance.url, Some(format!("http://localhost:{port}/app/")));
    stop_all(&sandbox);
}

#[test]
fn an_address_that_nobody_of_the_run_listens_on_is_no_port_of_it() {
    let sandbox = Sandbox::new();
    let port = Server::unused_port();
    let script = format!("echo see http://localhost:{port}/; exec sleep 1000");
    let terminal = sandbox.wrap(["sh", "-c", &script]).terminal();
    terminal.wait_for("see");
    // Settled: it has been looked for.
    assert_eq!(sandbox.wait_one("healthy").port, None);
    signal(terminal.pid(), libc::SIGTERM);
    terminal.wait_end();
}

/// A server on two ports, the second of which is to be taken for the app's.
const TWO: &str = "const http = require('http'); http.createServer().listen(process.argv[2], '127.0.0.1', () => \
                   http.createServer().listen(process.argv[3], '127.0.0.1'));";

#[test]
fn the_port_that_was_told_is_the_port() {
    let sandbox = Sandbox::new();
    sandbox.write("project/two.js", TWO);
    for in_file in [false, true] {
        let [a, b] = [Server::unused_port(), Server::unused_port()];
        let option = format!("--port={b}");
        let words = ["node", "two.js", &a.to_string(), &b.to_string()].map(str::to_owned);
        let mut args = vec!["-d".to_owned()];
        if in_file {
            sandbox.write("project/wrap.toml", format!("port = {b}\n"));
        } else {
            args.push(option);
        }
        args.extend(words);
        sandbox.wrap(args).piped().expect_code(0);
        let instance = sandbox
            .wait_instances("the port that was told", |list| list.iter().find(|one| one.port == Some(b)).cloned());
        assert_eq!(instance.url, Some(format!("http://localhost:{b}")));
        stop_all(&sandbox);
    }
}

#[test]
fn another_port_is_found_when_it_changes() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/moves.js",
        "let s; const open = () => { s = require('http').createServer(); s.listen(0, '127.0.0.1'); }; open(); \
         process.on('SIGUSR2', () => { s.close(); open(); console.log('moved'); });",
    );
    sandbox.wrap(["-d", "node", "moves.js"]).piped().expect_code(0);
    let first = sandbox.wait_instances("a port", |list| list.iter().find(|one| one.port.is_some()).cloned());
    signal(first.child(), libc::SIGUSR2);
    let second = sandbox.wait_instances("another port", |list| {
        list.iter().find(|one| one.port.is_some() && one.port != first.port).cloned()
    });
    assert_eq!(second.instance_id, first.instance_id);
    assert_ne!(second.url, first.url);
    stop_all(&sandbox);
}

/// A project may say what its server prints when it is ready: then an open port alone is not enough.
#[test]
fn a_configured_text_tells_readiness() {
    let sandbox = Sandbox::new();
    sandbox.write("project/wrap.toml", "name = 'shop'\nready_pattern = 'compiled'\n");
    sandbox.hook("tell", "wrap.on('ready', function(instance) print('ready ' .. tostring(instance.port)) end)");
    let server = "const s = require('http').createServer(); s.listen(0, '127.0.0.1', () => { console.log('open'); \
                  process.stdin.once('data', () => console.log('com' + 'piled')); })";
    let terminal = sandbox.wrap(["node", "-e", server]).terminal();
    terminal.wait_for("open");
    let starting = sandbox.wait_instances("its port", |list| list.iter().find(|one| one.port.is_some()).cloned());
    assert_eq!(starting.status, "starting");
    terminal.line("");
    terminal.wait_for(&format!("wrap: hook tell: ready {}", starting.port.expect("a port")));
    assert_eq!(sandbox.wait_one("healthy").project_name, "shop");
    terminal.send(crate::harness::CTRL_C);
    terminal.wait_end();
}
