//! Any bytes as an entry: what is read as one is the same after it was written and read again, shows no key, and brings
//! nothing to a terminal that it would act upon, in any form in which instances are shown.

use wrap::files::is_hidden;
use wrap::registry::entry::Entry;
use wrap::registry::health::Status;
use wrap::registry::history::Past;
use wrap::render::columns::{self, Column};
use wrap::render::human::Screen;
use wrap::render::{Shown, human, json, logfmt, markdown};

/// Any time; the ages that are shown depend on it.
const NOW: u64 = 1_800_000_000_000;

/// What the key is replaced by, to be looked for where it must not be.
const KEY: &str = "7f9c-this-is-the-key";

pub fn check(bytes: &[u8]) {
    // A fuzzer finds out what is looked for, and brings it along.
    if memchr::memmem::find(bytes, KEY.as_bytes()).is_some() {
        return;
    }
    if let Ok(past) = serde_json::from_slice::<Past>(bytes) {
        harmless(past.into());
    }
    let Ok(mut entry) = serde_json::from_slice::<Entry>(bytes) else { return };
    let written = serde_json::to_vec(&entry).expect("an entry can be written");
    let again: Entry = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, entry);
    assert!(entry.public().auth_key.is_empty());
    let _ = entry.short_id();
    KEY.clone_into(&mut entry.auth_key);
    harmless(Shown::live(entry, Status::Healthy, vec!["a".to_owned()]));
}

fn harmless(mut shown: Shown) {
    // An id that is no uuid is read from no registry.
    if shown.entry.instance_id.chars().any(is_hidden) {
        return;
    }
    KEY.clone_into(&mut shown.entry.auth_key);
    let all = [shown];
    let columns = Column::ALL.map(|(_, column)| column);
    for terminal in [false, true] {
        let screen = Screen { terminal, colour: false, width: terminal.then_some(80) };
        let texts = [
            human::list(&all, 0, screen, NOW),
            human::show(&all[0], None, NOW, screen),
            columns::list(&all, &columns, screen, NOW),
            json::list(&all, NOW),
            json::show(&all[0], None, NOW),
            logfmt::list(&all, NOW),
            markdown::list(&all),
        ];
        for text in texts {
            // Tabs stand between the columns of a pipe's list.
            assert_eq!(text.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t')), None, "{text:?}");
            assert!(!text.contains(KEY), "{text}");
        }
    }
}
