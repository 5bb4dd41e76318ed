//! What a crowd costs: 10, 100 and 1,000 live instances, a keeper each, and 10,000 entries of which 9,900 are dead.
//!
//!     cargo bench --bench scale                          # about three minutes
//!     SCALE_COUNTS=10,100 SCALE_DEAD=990 cargo bench --bench scale
//!
//! Prints a table, and draws it as docs/pictures/scale.svg. The page needs Debian's chromium and chromium-driver.

// The tests use the rest of it.
#[allow(dead_code, unused_imports)]
#[path = "../tests/it/harness/mod.rs"]
mod harness;

use harness::{Browser, Center, Sandbox};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of each; the least and the median are told.
const RUNS: usize = 9;

/// What is measured, in milliseconds but for the last.
const CURVES: [&str; 5] =
    ["wrap list", "start of another", "GET /api/instances", "page, to its cards", "memory of each (PSS, MiB)"];

/// How wide a logarithmic step of ten is drawn, and where the drawing lies in its frame.
const STEP: (f64, f64) = (240.0, 60.0);
const FRAME: (f64, f64) = (760.0, 420.0);
const MARGIN: (f64, f64) = (70.0, 40.0);

fn main() {
    let counts: Vec<usize> =
        option("SCALE_COUNTS", "10,100,1000").split(',').map(|text| text.parse().expect("a number")).collect();
    let points: Vec<(usize, [f64; 5])> = counts.into_iter().map(|count| (count, measure(count))).collect();
    println!("\n| live instances | {} |\n|---|{}", CURVES.join(" | "), "---|".repeat(CURVES.len()));
    for (count, values) in &points {
        let cells: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
        println!("| {count} | {} |", cells.join(" | "));
    }
    let drawn = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/scale.svg");
    fs::write(&drawn, svg(&points)).expect("drawn");
    println!("\ndrawn: {}", drawn.display());
    dead(option("SCALE_DEAD", "9900").parse().expect("a number"));
}

fn option(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

/// The median in milliseconds.
fn timed(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let from = Instant::now();
            work();
            from.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

fn measure(count: usize) -> [f64; 5] {
    let sandbox = Sandbox::new();
    let script = format!("seq {count} | xargs -P 32 -I% wrap -d -n crowd sleep 5000 >/dev/null");
    let from = Instant::now();
    sandbox.run("bash", ["-c", &script]).start().finish_within(Duration::from_mins(5)).expect_code(0);
    println!("{count} started in {:.1} s", from.elapsed().as_secs_f64());
    // Each is `starting` for two seconds, and slims down after another.
    std::thread::sleep(Duration::from_secs(6));
    let list = timed(|| drop(sandbox.wrap(["list"]).piped().expect_code(0)));
    let another = timed(|| drop(sandbox.wrap(["true"]).piped().expect_code(0)));
    let pids: Vec<u32> = sandbox.instances().iter().map(|one| one.pid).collect();
    assert_eq!(pids.len(), count, "all are listed");
    let memory = pids.iter().map(|pid| pss(*pid)).sum::<f64>() / f64::from(count as u32) / 1024.0;
    let center = Center::start(&sandbox);
    let api = timed(|| assert_eq!(center.get("/api/instances").as_array().map(Vec::len), Some(count)));
    let page = page(&sandbox, count);
    drop(center);
    let from = Instant::now();
    sandbox.wrap(["stop", "--all"]).start().finish_within(Duration::from_mins(2)).expect_code(0);
    println!("{count} stopped in {:.1} s", from.elapsed().as_secs_f64());
    [list, another, api, page, memory]
}

/// From the navigation to the picture with all cards.
fn page(sandbox: &Sandbox, count: usize) -> f64 {
    let Some(browser) = Browser::start(sandbox, 1200, 800) else { return f64::NAN };
    let link = sandbox.wrap(["ui", "--print"]).piped().expect_code(0).out();
    browser.open(link.trim());
    let mut least = f64::INFINITY;
    for again in 0..4 {
        if again > 0 {
            browser.run("window.isOld = true; location.reload()");
        }
        browser.wait("the picture", "return !window.isOld && performance.getEntriesByName('drawn').length > 0");
        assert_eq!(browser.run("return document.querySelectorAll('.card').length"), count);
        let drawn = browser.run("return performance.getEntriesByName('drawn')[0].startTime").as_f64();
        least = least.min(drawn.expect("a time"));
    }
    least
}

/// KiB, shared pages divided among those who share them.
fn pss(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// A hundred live ones among the dead, which the first listing cleans up.
fn dead(count: usize) {
    let live = 100;
    let sandbox = Sandbox::new();
    let script = format!("seq {live} | xargs -P 32 -I% wrap -d -n crowd sleep 5000 >/dev/null");
    sandbox.run("bash", ["-c", &script]).start().finish_within(Duration::from_mins(5)).expect_code(0);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("it is Linux");
    for number in 0..count {
        let id = format!("01990000-0000-7000-8000-{number:012}");
        let entry =
            json!({ "instanceId": id, "pid": 5_000_000, "pidToken": 1, "bootId": boot.trim(), "projectName": "dead" });
        let path = sandbox.write(&format!("run/instances/instance_{id}.json"), entry.to_string());
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    let from = Instant::now();
    let listed = sandbox.wrap(["list", "-q"]).piped().expect_code(0);
    let took = from.elapsed();
    assert_eq!(listed.out().lines().count(), live);
    println!("`wrap list` of {live} live and {count} dead ones, which it cleans up: {:.2} s", took.as_secs_f64());
    sandbox.stop_all();
}

/// Both axes are logarithmic: what grows as the crowd does rises by one step with each step to the right.
fn svg(points: &[(usize, [f64; 5])]) -> String {
    let place = |count: usize, value: f64| {
        let x = MARGIN.0 + STEP.0 * (f64::from(count as u32).log10() - 1.0);
        (x, FRAME.1 - MARGIN.1 - STEP.1 * (value.max(0.1).log10() + 1.0))
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        FRAME.0, FRAME.1
    );
    for power in -1..=4 {
        let value = 10_f64.powi(power);
        let y = place(10, value).1;
        let _ = writeln!(text, "<path d=\"M{} {y:.1}H{}\" stroke=\"#ddd\"/>", MARGIN.0, FRAME.0 - 190.0);
        let _ =
            writeln!(text, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>", MARGIN.0 - 8.0, y + 4.0);
    }
    for (count, _) in points {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{count}</text>",
            place(*count, 1.0).0,
            FRAME.1 - 14.0
        );
    }
    let colours = ["#0b6", "#06c", "#c50", "#a0a", "#555"];
    for (at, (name, colour)) in CURVES.iter().zip(colours).enumerate() {
        let line: Vec<String> = points
            .iter()
            .filter(|(_, values)| values[at].is_finite())
            .map(|(count, values)| place(*count, values[at]))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        let y = 30.0 + 20.0 * f64::from(at as u32);
        let _ = writeln!(text, "<text x=\"{}\" y=\"{y}\" fill=\"{colour}\">{name}</text>", FRAME.0 - 185.0);
    }
    text + "<text x=\"12\" y=\"20\">ms (MiB)</text>\n</svg>\n"
}
