//! Files and output that pages show: `teal check` and `teal rehearse` take the files, and the program writes the
//! output.

use std::{fs, time::Duration};

use regex::Regex;

use super::{
    pages::{Block, page, pages, root},
    shell::Shell,
};
use crate::support::{beside, command, packages, rehearse, teal};

const SOON: Duration = Duration::from_secs(60);

/// Writes a block to a file beside those that it names.
fn file(shell: &Shell, name: &str, text: &str) -> String {
    let path = shell.folder().join(name);
    let named = ["cert.pem", "key.pem"].into_iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("\"{name}\""), &format!("{:?}", shell.folder().join(name)))
    });
    fs::write(&path, named).expect("files can be written");
    path.into_os_string().into_string().expect("temporary files have plain names")
}

fn is_queries(block: &Block) -> bool {
    block.text.contains("[[query]]")
}

#[test]
fn every_toml_on_a_page_is_taken() {
    let shell = Shell::new();
    let mut kinds = [0; 3];
    for block in pages().iter().flat_map(|page| page.blocks()).filter(|block| block.language == "toml") {
        let file = file(&shell, "block.toml", &block.text);
        let kind = match (block.text.contains("[[step]]"), is_queries(&block)) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        kinds[kind] += 1;
        match kind {
            0 => drop(command().args(&["check", "--scenario", &file]).run().done()),
            // `the_queries_on_the_page_are_run` runs it.
            1 => {}
            _ => drop(command().args(&["check", "--config", &file]).run().done()),
        }
    }
    assert!(kinds.iter().all(|kind| *kind > 0), "{kinds:?}");
}

#[test]
fn the_queries_on_the_page_are_run() {
    let _beside = beside();
    let shell = Shell::new();
    let block = page("docs/rehearse.md").block("toml", "[[query]]");
    let queries = file(&shell, "queries.toml", &block.text);
    let schema = shell.folder().join("data/shop/main");
    fs::create_dir_all(&schema).expect("folders can be made");
    fs::write(schema.join("fruit.csv"), "id,name,price\n1,apple,1.5\n2,pear,2\n")
        .expect("files can be written");
    let data = shell.folder().join("data");
    let server = teal().with("--data", data.to_str().expect("it has a plain name")).run();
    let rehearsed = rehearse(&server)
        .with("--queries", &queries)
        .with("--catalog", "shop")
        .with("--schema", "main")
        .with("--duration", "1s")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
}

#[test]
fn check_prints_what_the_page_shows() {
    let shell = Shell::new();
    let page = page("docs/configuration.md");
    let path = file(&shell, "teal.toml", "switch-every = \"10m\"\n");
    let said = command().args(&["check", "--config", &path]).env("TEAL_NOTICE", "2s").run().done();
    let said = said.replace(&path, "teal.toml");
    for line in page.block("text", "# default").text.lines() {
        assert!(said.lines().any(|said| said == line), "{line:?} is not in\n{said}");
    }
    let path = file(&shell, "teal.toml", "switch-every = \"soon\"\n");
    let said = command().args(&["check", "--config", &path]).run().ended(64);
    let shown = page.block("text", "'soon'").text;
    assert!(said.err.replace(&path, "teal.toml").starts_with(shown.trim()), "{said:?} is not {shown:?}");
}

#[test]
fn a_switch_is_logged_as_the_pages_show() {
    let _beside = beside();
    let shown = page("README.md").block("text", "Strategy change pending").text;
    let messages: Vec<&str> = shown.lines().filter_map(|line| line.split(" - INFO - ").nth(1)).collect();
    assert_eq!(messages.len(), 7, "{shown}");
    let server = teal().switch_every("5s").run();
    let rehearsed = rehearse(&server).with("--clients", "1").with("--duration", "8s").run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    server.wait_for("Drained: no query left on blue", 1, SOON);
    let output = server.output();
    let (mut before, mut from) = (0, 0);
    for message in messages {
        let message = message.replace(":50051", "");
        // A call may carry the notice a moment before the announcement is in the log.
        let after = if message.starts_with("Notifying client") { before } else { from };
        let at = output[after..].find(&message);
        let at = at.unwrap_or_else(|| panic!("{message:?} is not behind the others in\n{output}"));
        (before, from) = (from, from.max(after + at));
    }
    // The other page has the same lines, without their times.
    for line in page("docs/observability.md").block("text", "Strategy change pending").text.lines() {
        let line = line.replace("120 seconds", "5 seconds");
        assert!(shown.contains(&format!(" - INFO - {line}\n")), "{line:?} is not in\n{shown}");
    }
}

fn example(name: &str) -> String {
    root()
        .join("examples")
        .join(name)
        .into_os_string()
        .into_string()
        .expect("the repository has a plain name")
}

#[test]
fn the_examples_are_taken() {
    command().args(&["check", "--config", &example("teal.toml")]).run().done();
    command().args(&["check", "--scenario", &example("scenario.toml")]).run().done();
    let compose = fs::read_to_string(example("compose.yml")).expect("it is there");
    let flag = Regex::new(r"(?m)(?:^\s+- |[\[ ])(--[a-z-]+=[^,\]\s]+)").expect("it is one");
    for part in compose.split("\n\n  ").filter(|part| part.starts_with("#") || part.starts_with("teal:")) {
        let flags: Vec<String> = flag.captures_iter(part).map(|found| found[1].to_owned()).collect();
        let flags: Vec<String> = flags
            .iter()
            .map(|flag| flag.replace("/run/secrets/admin-token", &example("admin-token")))
            .collect();
        assert!(flags.len() >= 3, "{part}");
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        command().args(&["check"]).args(&flags).run().done();
    }
}

/// Runs the job of a service, but for what it installs: that is here already.
fn job_runs(service: &str) {
    let _beside = beside();
    let python = packages("ci");
    let text = python.run_offline("jobs.py", &[service]);
    assert!(text.contains("pip install teal-proxy"), "{text}");
    let shell = Shell::new();
    let pytest = python.program("pytest").get_program().to_string_lossy().into_owned();
    shell.add("pytest", &format!("#!/bin/sh\nexec {pytest} -p no:cacheprovider \"$@\"\n"));
    fs::copy(example("ci/test_switches.py"), shell.folder().join("test_switches.py"))
        .expect("files can be copied");
    let block =
        Block { page: format!("examples/ci/{service}.yml"), line: 0, language: "sh".to_owned(), text };
    let said = shell.run(&block);
    assert!(said.contains("1 passed") && said.contains("Verdict: "), "{said}");
    for kept in ["teal.log", "junit.xml", "report.json", "report.html"] {
        assert!(shell.folder().join(kept).exists(), "{service}: no {kept}");
    }
}

#[test]
fn the_job_for_github_runs() {
    job_runs("github");
}

#[test]
fn the_job_for_gitlab_runs() {
    job_runs("gitlab");
}
