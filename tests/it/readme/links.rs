//! Links within the repository resolve, and the table of contents has each page.

use std::collections::HashSet;

use regex::Regex;

use super::pages::{page, pages, root};

/// The anchor that Markdown renderers give a heading.
fn anchor(heading: &str) -> String {
    let text = heading.replace('`', "").to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a page, its code left out.
fn anchors(text: &str) -> HashSet<String> {
    let outside = text.split("```").step_by(2).collect::<String>();
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("it is one");
    let mut checked = 0;
    for page in pages() {
        let folder = root().join(&page.name).parent().expect("a file is in a folder").to_owned();
        let links = link.captures_iter(&page.text).map(|found| found[1].to_owned());
        for to in links.filter(|to| !to.starts_with("http")) {
            let (file, fragment) = to.split_once('#').unwrap_or((&to, ""));
            let target = if file.is_empty() { root().join(&page.name) } else { folder.join(file) };
            assert!(target.exists(), "{}: {to} leads nowhere", page.name);
            if !fragment.is_empty() {
                let text = std::fs::read_to_string(&target).expect("it can be read");
                assert!(anchors(&text).contains(fragment), "{}: {to} has no such heading", page.name);
            }
            checked += 1;
        }
    }
    assert!(checked > 80, "only {checked}");
}

#[test]
fn the_contents_have_every_page() {
    let contents = page("docs/SUMMARY.md").text;
    for page in pages() {
        let Some(name) = page.name.strip_prefix("docs/").filter(|name| *name != "SUMMARY.md") else {
            continue;
        };
        assert!(contents.contains(&format!("({name})")), "{name} is not in docs/SUMMARY.md");
    }
}

#[test]
fn the_readme_is_short() {
    let length = page("README.md").text.len();
    assert!(length <= 10 << 10, "{length} bytes");
}
