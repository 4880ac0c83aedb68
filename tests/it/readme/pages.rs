//! The pages that users read, and the blocks of code in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page of Markdown.
pub(crate) struct Page {
    /// Its path in the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fenced block of code.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) page: String,
    /// Where its fence opens, from 1.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn page(name: &str) -> Page {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Page { name: name.to_owned(), text }
}

/// The README, the guides beside it, all of `docs/`, and the READMEs of the crates and of the example.
pub(crate) fn pages() -> Vec<Page> {
    let mut names: Vec<String> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "examples/README.md",
        "examples/embed/README.md",
    ]
    .map(str::to_owned)
    .into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("the folder is there") {
            let path = folder.join(entry.expect("it is listed").file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                names.push(path.to_string_lossy().into_owned());
            }
        }
    }
    for entry in fs::read_dir(root().join("crates")).expect("the folder is there") {
        let folder = entry.expect("it is listed").file_name();
        names.push(format!("crates/{}/README.md", folder.to_string_lossy()));
    }
    names.sort();
    assert!(names.len() > 35, "only {names:?}");
    names.iter().map(|name| page(name)).collect()
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (line, text) in (1..).zip(self.text.lines()) {
            match (text.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let (page, language) = (self.name.clone(), language.to_owned());
                    open = Some(Block { page, line, language, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text += &format!("{text}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block does not end", self.name);
        blocks
    }

    /// The block in this language that contains `text`.
    pub(crate) fn block(&self, language: &str, text: &str) -> Block {
        let mut blocks = self.blocks().into_iter();
        blocks
            .find(|block| block.language == language && block.text.contains(text))
            .unwrap_or_else(|| panic!("{}: no block with {text:?}", self.name))
    }

    /// The first column of the table whose head starts with `head`.
    pub(crate) fn first_column(&self, head: &str) -> Vec<String> {
        let rows = self.text.lines().skip_while(|line| !line.starts_with(head));
        let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
        let cells: Vec<String> =
            rows.filter_map(|row| row.split(" | ").next()).map(|cell| cell[1..].trim().to_owned()).collect();
        assert!(!cells.is_empty(), "{}: no table {head:?}", self.name);
        cells
    }
}

/// The texts between backquotes.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
