//! Tables of names: the pages list exactly what the program has.
//!
//! `TEAL_UPDATE_DOCS=1 cargo test --release --test it readme` rewrites the tables of flags.

use std::{collections::BTreeSet, env, fs};

use clap::{Arg, Command};
use proxy::fault::rule::KEYS;
use regex::Regex;
use serde_json::Value;
use teal::cli;

use super::pages::{page, quoted, root};
use crate::support::{rehearse, teal};

type Names = BTreeSet<String>;

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A flag with its value, its meaning and its default.
fn row(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let in_words = Regex::new(r"\s*\[default: ([^\]]+)\]").expect("it is one");
    let default = in_words.captures(&help).map(|found| found[1].to_owned());
    let default = default.unwrap_or_else(|| {
        let values = arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy()));
        values.collect::<Vec<_>>().join(", ")
    });
    let choices: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let takes_value = arg.get_action().takes_values();
    let value = match arg.get_value_names() {
        _ if !takes_value => String::new(),
        _ if !choices.is_empty() && choices.len() <= 4 => format!(" {}", choices.join("|")),
        Some([name, ..]) if arg.get_num_args().is_some_and(|number| number.min_values() == 0) => {
            format!("[={name}]")
        }
        Some([name, ..]) => format!(" {name}"),
        _ => String::new(),
    };
    let flag = format!("--{}{value}", arg.get_long().expect("flags are long"));
    format!("| `{}` | {} | {} |\n", cell(&flag), cell(&in_words.replace(&help, "")), cell(&default))
}

/// The flags of a command, a table for each heading of its help.
fn tables(command: &Command) -> String {
    let flags = || command.get_arguments().filter(|arg| arg.get_long().is_some_and(|name| name != "help"));
    let mut headings: Vec<Option<&str>> = Vec::new();
    for heading in flags().map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    let tables = headings.into_iter().map(|heading| {
        let title = heading.map(|heading| format!("### {heading}\n\n")).unwrap_or_default();
        let rows: String = flags().filter(|arg| arg.get_help_heading() == heading).map(row).collect();
        format!("{title}| flag | meaning | default |\n| --- | --- | --- |\n{rows}")
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// Compares the flags on a page with those of a command.
fn has_flags(name: &str, command: &str) {
    let page = page(name);
    let mark = format!("<!-- flags of: teal {command} -->\n");
    let (before, rest) = page.text.split_once(&mark).unwrap_or_else(|| panic!("{name}: no {mark}"));
    let (shown, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{name}: no end"));
    let clap = cli::command();
    let tables = tables(clap.find_subcommand(command).expect("there is such a command"));
    if env::var_os("TEAL_UPDATE_DOCS").is_some() {
        fs::write(root().join(name), format!("{before}{mark}{tables}{}{after}", "<!-- end -->"))
            .expect("the page can be written");
        return;
    }
    assert_eq!(shown, tables, "{name}: run TEAL_UPDATE_DOCS=1 cargo test --release --test it readme");
}

#[test]
fn configuration_has_every_flag() {
    has_flags("docs/configuration.md", "serve");
}

#[test]
fn rehearse_has_every_flag() {
    has_flags("docs/rehearse.md", "rehearse");
}

/// The README shows the flags that `teal --help` shows.
#[test]
fn the_readme_has_the_flags_that_matter() {
    let clap = cli::command();
    let shown = clap.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
    let known: Names = shown.map(|name| format!("--{name}")).collect();
    let rows = page("README.md").first_column("| flag ");
    let flags = rows.iter().flat_map(|row| quoted(row)).filter_map(|flag| flag.split(' ').next());
    assert_eq!(flags.map(str::to_owned).collect::<Names>(), known);
}

#[test]
fn operating_has_every_command() {
    let page = page("docs/operating.md");
    let words = page.text.lines().filter(|line| line.starts_with("| `teal "));
    let shown: Names =
        words.filter_map(|line| line[8..].split([' ', '`']).next()).map(str::to_owned).collect();
    let known: Names =
        cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn faults_have_every_key() {
    let page = page("docs/faults.md");
    let of = |head: &str| page.first_column(head).join(" ");
    let cells = [of("| key | matches"), of("| key | effect"), "`id=NAME`".to_owned()].join(" ");
    let keys = quoted(&cells).filter_map(|text| text.split('=').next());
    let shown: Names =
        keys.filter(|key| *key != "metadata.NAME" && *key != "+-").map(str::to_owned).collect();
    let known: Names = KEYS.iter().map(|key| key.name.to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn operating_has_every_route() {
    let server = teal().admin().run();
    let document: Value = serde_json::from_str(&server.get("/api/v1/openapi.json")).expect("it is JSON");
    let paths = document["paths"].as_object().expect("paths have names");
    let known: Names = paths
        .iter()
        .flat_map(|(path, of)| {
            let methods = of.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    let rows = page("docs/operating.md").first_column("| path ");
    let routes = rows.iter().flat_map(|row| quoted(row)).filter_map(|route| route.split('?').next());
    assert_eq!(routes.map(str::to_owned).collect::<Names>(), known);
}

/// The names of metrics that stand in a folder of the code.
fn metrics_in(folder: &str, names: &mut Names) {
    let metric = Regex::new("\"(teal_[a-z0-9_]+)\"").expect("it is one");
    for entry in fs::read_dir(root().join(folder)).expect("the folder is there") {
        let path = entry.expect("it is listed").path();
        if path.is_dir() {
            metrics_in(&path.to_string_lossy(), names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("it can be read");
            names.extend(metric.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
}

#[test]
fn observability_has_every_metric() {
    let mut known = Names::new();
    metrics_in("crates/proxy/src/telemetry", &mut known);
    let rows = page("docs/observability.md").first_column("| metric ");
    let shown: Names = rows.iter().flat_map(|row| quoted(row)).map(str::to_owned).collect();
    let shown: Names = shown.into_iter().filter(|name| name != "process_…").collect();
    assert_eq!(shown, known);
    // What is served is among them.
    let server = teal().admin().switch_every("1s").notice("0s").grace("0s").run();
    let rehearsed = rehearse(&server).with("--duration", "3s").run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    let exposition = server.get("/metrics");
    let served = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE teal_"));
    let served: Vec<String> =
        served.filter_map(|line| line.split(' ').next()).map(|name| format!("teal_{name}")).collect();
    assert!(served.len() > 5 && served.iter().all(|name| shown.contains(name)), "{served:?}");
}
