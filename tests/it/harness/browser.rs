//! A real Chromium, driven over WebDriver (W3C) by Debian's chromedriver.

use super::{DEADLINE, RECHECK, Sandbox};
use base64::Engine as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a reference to an element is called (WebDriver, 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window; it ends with this.
pub struct Browser {
    driver: Child,
    base: String,
    agent: ureq::Agent,
}

/// chromedriver asks for a free port of 127.0.0.1 and then for the same one of [::1]; where another test has that, it ends.
const STARTS: usize = 5;

/// A driver that runs, and its port.
fn driver(sandbox: &Sandbox) -> std::io::Result<(Child, String)> {
    for _ in 0..STARTS {
        let no_write = super::process::FORK.read();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .envs(sandbox.environment())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        drop(no_write);
        let stdout = BufReader::new(driver.stdout.take().expect("its output"));
        let port = stdout.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        if let Some(port) = port {
            return Ok((driver, port));
        }
        driver.wait()?;
    }
    panic!("chromedriver has ended {STARTS} times without a port");
}

impl Browser {
    /// `None`, after a word about it, where there is none. Under CI that is a failure.
    pub fn start(sandbox: &Sandbox, width: u32, height: u32) -> Option<Self> {
        let Ok((driver, port)) = driver(sandbox) else {
            assert!(std::env::var_os("CI").is_none(), "under CI there has to be chromium-driver");
            eprintln!("not tried: there is no chromedriver (Debian's chromium and chromium-driver)");
            return None;
        };
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE * 2)).proxy(None);
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { driver, base, agent: ureq::Agent::new_with_config(config.build()) };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", sandbox.root().join("browser").display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.ask("POST", "/session", &wanted);
        let id = session["sessionId"].as_str().expect("a session");
        browser.base = format!("{}/session/{id}", browser.base);
        // A window is not made narrower than 500 pixels; what a page sees of it can be.
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.ask(
            "POST",
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }),
        );
        Some(browser)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.base);
        let sent = match method {
            "POST" => self.agent.post(&url).send(body.to_string()),
            "DELETE" => self.agent.delete(&url).call(),
            _ => self.agent.get(&url).call(),
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().expect("an answer");
        let answer: Value = serde_json::from_str(&text).expect("json");
        assert!(response.status() == 200, "{method} {path}: {}", answer["value"]["message"]);
        answer["value"].clone()
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// What a script returns: the body of a function, which may wait.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What its window shows, as PNG.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        let text = self.ask("GET", "/screenshot", &Value::Null);
        base64::prelude::BASE64_STANDARD.decode(text.as_str().expect("a picture")).expect("base64")
    }

    /// Waits until a script returns what is true, and returns that.
    #[track_caller]
    pub fn wait(&self, what: &str, script: &str) -> Value {
        self.wait_within(what, script, DEADLINE)
    }

    /// As [`Self::wait`], with a limit of its own. The page has no event for us: it is looked again and again.
    #[track_caller]
    pub fn wait_within(&self, what: &str, script: &str, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let found = self.run(script);
            if found != Value::Null && found != Value::Bool(false) {
                return found;
            }
            if Instant::now() > deadline {
                let mut message = format!("{what}: not within {limit:?}; the page says\n");
                let _ =
                    writeln!(message, "{}", self.run("return document.body.innerText").as_str().unwrap_or_default());
                let _ = writeln!(message, "{:#}", self.complaints());
                panic!("{message}");
            }
            std::thread::sleep(RECHECK);
        }
    }

    /// Clicks on the first element of a CSS selector, as a mouse does.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into the first element of a CSS selector.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys wherever the focus is; `\u{e007}` is Enter, `\u{e00c}` Escape (WebDriver, 17.4.2).
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.ask("POST", "/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": presses }] }));
    }

    /// Runs a script in every page that is opened from now on, before its own.
    #[track_caller]
    pub fn before_each(&self, script: &str) {
        let params = json!({ "source": script });
        let command = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": params });
        self.ask("POST", "/goog/cdp/execute", &command);
    }

    /// What the page is told of the user's preference.
    #[track_caller]
    pub fn prefer(&self, feature: &str, value: &str) {
        let params = json!({ "features": [{ "name": feature, "value": value }] });
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": params }));
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element {selector}")).to_owned()
    }

    /// What the page has complained of: errors, and what its policy has refused.
    pub fn complaints(&self) -> Value {
        let mut log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        if let Some(lines) = log.as_array_mut() {
            lines.retain(|line| line["level"] == "SEVERE");
        }
        log
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its window is closed by the end of the session, and it by its own end.
        let _ = self.agent.delete(&self.base).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
