//! For documents: a table in GitHub's Markdown.

use super::{Shown, visible};

/// The table; its head alone where there is no instance.
pub fn list(instances: &[Shown]) -> String {
    let mut text = row(&["Project", "Port", "Command", "Started", "PID", "URL", "Status"].map(str::to_owned));
    text += "| --- | ---: | --- | --- | ---: | --- | --- |\n";
    for shown in instances {
        let entry = &shown.entry;
        text += &row(&[
            cell(&entry.project_name),
            entry.port.map_or_else(String::new, |port| port.to_string()),
            cell(&entry.command),
            cell(&shown.started()),
            entry.pid.to_string(),
            cell(entry.url.as_deref().unwrap_or_default()),
            cell(&shown.status_text()),
        ]);
    }
    text
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A `|` would end the cell, a `<` begin HTML, a `[` a link or an image; a backslash would take the next one's away.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in visible(text).chars() {
        if matches!(character, '\\' | '|' | '<' | '[' | '`') {
            cell.push('\\');
        }
        cell.push(character);
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn pipes_newlines_and_tags_stay_in_their_cell() {
        let text = list(&[shown("a|b\\|c [x](y)", "echo <x>\n| less", Some(80))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "| Project | Port | Command | Started | PID | URL | Status |");
        assert!(lines[2].starts_with("| a\\|b\\\\\\|c \\[x](y) | 80 | echo \\<x>\\\\n\\| less | 2026-01-0"), "{text}");
        assert!(lines[2].ends_with(" | 42 | http://localhost:80/ | healthy |"), "{text}");
        assert_eq!(list(&[]).lines().count(), 2);
    }
}
