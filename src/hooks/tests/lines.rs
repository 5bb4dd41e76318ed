//! `line` events: what is looked for, what is told, and what gives way.

use super::*;
use crate::wire::Stream;
use std::time::Instant;

/// A house with the hooks loaded, and what looks through the output.
fn watched(source: &str) -> (House, super::super::LineWatch) {
    let mut house = House::one(source);
    house.start();
    let watch = house.runner.as_ref().expect("made").line_watch(|| json!({"projectName": "shop"}));
    (house, watch)
}

/// The exit comes behind all lines.
fn ended(house: &mut House) -> Vec<String> {
    house.fire(Event::Exit, json!({}));
    house.said()
}

#[test]
fn a_pattern_is_looked_for_in_whole_lines_as_a_terminal_shows_them() {
    let (mut house, watch) = watched(
        r#"
        wrap.on("line", {pattern = "^ERROR (\\d+)$"}, function(instance, line, about)
            print(instance.projectName, line, about.stream, about.missed)
        end)
        wrap.on("line", {pattern = "warn"}, function(_, line) print("w", line) end)
        "#,
    );
    watch.feed(Stream::Out, b"fine\n\x1b[31mERR");
    watch.feed(Stream::Err, b"a warning\n");
    watch.feed(Stream::Out, b"OR 42\x1b[0m\r\nnot ERROR 42\n 10%\rERROR 7\n");
    watch.feed(Stream::Out, b"warn: cut");
    watch.end();
    let said = ended(&mut house);
    assert_eq!(
        said,
        [
            "hook h: w\ta warning",
            "hook h: shop\tERROR 42\tstdout\t0",
            "hook h: shop\tERROR 7\tstdout\t0",
            "hook h: w\twarn: cut"
        ]
    );
}

#[test]
fn a_pattern_that_is_none_and_a_line_handler_without_one_are_told() {
    for (source, why) in [
        ("wrap.on('line', print)", "a `line` handler needs a pattern"),
        ("wrap.on('line', {pattern = '('}, print)", "`pattern`: `(`: "),
        ("wrap.on('line', {pattern = 7}, print)", "`pattern` is a regular expression, as a text"),
        ("wrap.on('exit', {pattern = 'x'}, print)", "`pattern` is an option of `line` handlers only"),
    ] {
        let mut house = House::one(source);
        house.start();
        let said = house.said();
        assert!(said[0].starts_with(&format!("hook h: h.lua:1: {why}")), "{said:?}");
    }
}

#[test]
fn a_flood_is_told_up_to_its_rate_and_what_was_missed_is_counted() {
    let (mut house, watch) = watched(
        "local told, missed = 0, 0\n\
         wrap.on('line', {pattern = 'x'}, function(_, _, about) told += 1; missed += about.missed end)\n\
         wrap.on('exit', function() print(told, missed) end)",
    );
    let begun = Instant::now();
    for _ in 0..40 {
        watch.feed(Stream::Out, "xyz\n".repeat(1000).as_bytes());
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()) + Duration::from_millis(50));
    watch.feed(Stream::Out, b"x again\n");
    let said = ended(&mut house);
    let (told, missed) = said[0].trim_start_matches("hook h: ").split_once('\t').expect("two");
    let (told, missed): (u32, u32) = (told.parse().expect("a number"), missed.parse().expect("a number"));
    assert_eq!(told + missed, 40_001, "{said:?}");
    assert!((1000..=1001).contains(&told), "{said:?}");
}

#[test]
fn more_than_can_be_looked_at_is_passed_over_in_no_time() {
    let (mut house, watch) =
        watched("wrap.on('line', {pattern = 'needle'}, function(_, line, about) print(#line, about.missed) end)");
    let hay = "hay without anything in it, in lines of a usual length\n".repeat(20_000);
    let begun = Instant::now();
    for _ in 0..100 {
        watch.feed(Stream::Out, hay.as_bytes());
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "100 MB took {took:?}");
    // In the next second it is looked again, and what was passed over is told; a long line is looked at in front only.
    std::thread::sleep(Duration::from_millis(1050));
    watch.feed(Stream::Out, b"needle");
    watch.feed(Stream::Out, &vec![b'y'; 100_000]);
    watch.feed(Stream::Out, b"\n");
    let said = ended(&mut house);
    let (length, missed) = said[0].trim_start_matches("hook h: ").split_once('\t').expect("two");
    let missed: u32 = missed.parse().expect("a number");
    assert!(length == "4096" && (1_000_000..2_000_000).contains(&missed), "{said:?}");
}

#[test]
fn lines_that_wait_hold_the_end_up_for_no_longer_than_two_seconds() {
    let (mut house, watch) = watched("wrap.on('line', {pattern = 'x'}, function() wrap.sleep(0.5) end)");
    watch.feed(Stream::Out, "x\n".repeat(900).as_bytes());
    let begun = Instant::now();
    house.fire(Event::Exit, json!({}));
    let took = begun.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
}
