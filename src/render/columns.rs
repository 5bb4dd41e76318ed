//! What can be said of an instance, a word each: the columns that a list may have, be sorted by and filtered by.

use super::human::{Screen, painted};
use super::{Shown, duration, visible};
use crate::error::meant;
use crate::registry::health::Status;
use std::cmp::Ordering;
use std::str::FromStr;
use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: &str = "  ";

/// One thing that can be said of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The short id.
    Id,
    /// The whole id.
    Uuid,
    /// The project's name.
    Name,
    /// The port; empty until it is known.
    Port,
    /// Where to open it.
    Url,
    /// How it fares.
    Status,
    /// What kind of project.
    Type,
    /// The command line.
    Command,
    /// Where it was started.
    Cwd,
    /// The project's directory.
    Root,
    /// The git branch.
    Branch,
    /// The command's pid.
    Pid,
    /// When it was started, in the local zone.
    Started,
    /// How long it has run.
    Uptime,
}

impl Column {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 14] = [
        ("id", Self::Id),
        ("uuid", Self::Uuid),
        ("name", Self::Name),
        ("port", Self::Port),
        ("url", Self::Url),
        ("status", Self::Status),
        ("type", Self::Type),
        ("command", Self::Command),
        ("cwd", Self::Cwd),
        ("root", Self::Root),
        ("branch", Self::Branch),
        ("pid", Self::Pid),
        ("started", Self::Started),
        ("uptime", Self::Uptime),
    ];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, column)| *column == self).map_or("", |(name, _)| name)
    }

    /// What it says of an instance; nothing in it acts on a terminal.
    pub fn of(self, shown: &Shown, now_ms: u64) -> String {
        let entry = &shown.entry;
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        match self {
            Self::Id => visible(entry.short_id()),
            Self::Uuid => visible(&entry.instance_id),
            Self::Name => visible(&entry.project_name),
            Self::Port => number(entry.port.map(u64::from)),
            Self::Url => visible(entry.url.as_deref().unwrap_or_default()),
            Self::Status => shown.status.to_string(),
            Self::Type => visible(&entry.detected_type),
            Self::Command => visible(&entry.command),
            Self::Cwd => visible(&entry.cwd),
            Self::Root => visible(&entry.project_root),
            Self::Branch => visible(entry.branch.as_deref().unwrap_or_default()),
            Self::Pid => number(entry.child_pid.map(u64::from)),
            Self::Started => shown.started(),
            Self::Uptime => duration(shown.uptime(now_ms)),
        }
    }

    /// In what order two stand: numbers and times by what they are, texts as people sort them.
    fn compare(self, one: &Shown, other: &Shown, now_ms: u64) -> Ordering {
        match self {
            Self::Port => one.entry.port.cmp(&other.entry.port),
            Self::Pid => one.entry.child_pid.cmp(&other.entry.child_pid),
            Self::Uptime => one.uptime(now_ms).cmp(&other.uptime(now_ms)),
            // Ids of version 7 begin with the time.
            Self::Started | Self::Uuid => one.entry.instance_id.cmp(&other.entry.instance_id),
            text => text.of(one, now_ms).to_lowercase().cmp(&text.of(other, now_ms).to_lowercase()),
        }
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, column)| column);
        known.ok_or_else(|| {
            let hint = meant(name, Self::ALL.map(|(known, _)| known))
                .map(|known| format!("did you mean `{known}`? "))
                .unwrap_or_default();
            format!("{hint}the columns are {}", Self::ALL.map(|(known, _)| known).join(", "))
        })
    }
}

/// Which instances are wanted: `COLUMN=TEXT` is what it says, `COLUMN~TEXT` what has it in it; in capitals or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What is looked at.
    pub column: Column,
    text: String,
    is_part: bool,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['=', '~']).ok_or("it is neither COLUMN=TEXT nor COLUMN~TEXT")?;
        let column = text[..at].parse()?;
        let filter = Self { column, text: text[at + 1..].to_lowercase(), is_part: text.as_bytes()[at] == b'~' };
        let all = Status::ALL.map(|status| status.to_string());
        if column == Column::Status && !filter.is_part && !all.contains(&filter.text) {
            let meant = meant(&filter.text, all.iter().map(String::as_str));
            let hint = meant.map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
            return Err(format!("{hint}a status is one of {}", all.join(", ")));
        }
        Ok(filter)
    }
}

impl Filter {
    /// Whether an instance is wanted.
    pub fn holds(&self, shown: &Shown, now_ms: u64) -> bool {
        let said = self.column.of(shown, now_ms).to_lowercase();
        if self.is_part { said.contains(&self.text) } else { said == self.text }
    }
}

/// Sorts by a column; those that are alike stay as they stood.
pub fn sort(all: &mut [Shown], column: Column, reverse: bool, now_ms: u64) {
    all.sort_by(|one, other| {
        let order = column.compare(one, other, now_ms);
        if reverse { order.reverse() } else { order }
    });
}

/// These columns of each: on a terminal aligned below their names, in a pipe with a tab between them.
pub fn list(all: &[Shown], columns: &[Column], screen: Screen, now_ms: u64) -> String {
    let rows: Vec<Vec<String>> =
        all.iter().map(|shown| columns.iter().map(|column| column.of(shown, now_ms)).collect()).collect();
    if !screen.terminal {
        return rows.iter().map(|row| row.join("\t") + "\n").collect();
    }
    let heads: Vec<String> = columns.iter().map(|column| column.name().to_uppercase()).collect();
    let widest = |at: usize| rows.iter().chain([&heads]).map(|row| row[at].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(text, width)| text.clone() + &" ".repeat(width.saturating_sub(text.width())));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let mut text = painted(&line(&heads), super::human::DIM, screen.colour) + "\n";
    text.extend(rows.iter().map(|row| line(row) + "\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn all() -> Vec<Shown> {
        vec![shown("web", "npm run dev", Some(3000)), shown("API\u{1b}", "cargo run", Some(80)), shown("db", "x", None)]
    }

    fn names(all: &[Shown]) -> Vec<String> {
        all.iter().map(|shown| Column::Name.of(shown, 0)).collect()
    }

    #[test]
    fn each_is_sorted_by_what_it_is() {
        for (column, reverse, expected) in [
            (Column::Name, false, ["API\\u{1b}", "db", "web"]),
            (Column::Port, false, ["db", "API\\u{1b}", "web"]),
            (Column::Port, true, ["web", "API\\u{1b}", "db"]),
            (Column::Status, false, ["web", "API\\u{1b}", "db"]),
        ] {
            let mut list = all();
            sort(&mut list, column, reverse, 0);
            assert_eq!(names(&list), expected, "{column:?}");
        }
    }

    #[test]
    fn a_filter_is_a_whole_word_or_a_part() {
        for (filter, expected) in
            [("name=api\\u{1b}", 1), ("name=ap", 0), ("name~AP", 1), ("port=3000", 1), ("port=", 1), ("command~r", 2)]
        {
            let filter: Filter = filter.parse().expect("a filter");
            assert_eq!(all().iter().filter(|shown| filter.holds(shown, 0)).count(), expected, "{filter:?}");
        }
        assert!("name".parse::<Filter>().is_err());
        assert!("status=stoped".parse::<Filter>().expect_err("no status").contains("did you mean `stopped`?"));
        assert!("status~un".parse::<Filter>().is_ok() && "status=healthy".parse::<Filter>().is_ok());
        assert!("prot=1".parse::<Filter>().expect_err("no column").contains("did you mean `port`?"));
    }

    #[test]
    fn columns_are_aligned_for_people_and_have_tabs_for_programs() {
        let columns = [Column::Name, Column::Port];
        let screen = Screen { terminal: false, colour: false, width: None };
        assert_eq!(list(&all(), &columns, screen, 0), "web\t3000\nAPI\\u{1b}\t80\ndb\t\n");
        let seen = list(&all(), &columns, Screen { terminal: true, ..screen }, 0);
        assert_eq!(seen, "NAME       PORT\nweb        3000\nAPI\\u{1b}  80\ndb\n");
        for (name, column) in Column::ALL {
            assert_eq!((name.parse(), column.name()), (Ok(column), name));
        }
    }
}
