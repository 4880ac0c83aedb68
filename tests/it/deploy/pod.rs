//! The pod of a Deployment, its files in a folder of the test.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{list, text, the};
use crate::support::{Builder, Server, answer, send_with, teal};

/// The token of the examples.
const TOKEN: &str = include_str!("../../../examples/admin-token");

pub(super) struct Pod<'a> {
    pub(super) deployment: &'a Value,
    objects: &'a [Value],
    /// The flags of the addresses that it binds, and others.
    left_out: Vec<&'static str>,
}

impl<'a> Pod<'a> {
    pub(super) fn of(objects: &'a [Value]) -> Self {
        Self { deployment: the(objects, "Deployment"), objects, left_out: vec!["--listen", "--admin"] }
    }

    /// Its arguments are without these flags, too.
    pub(super) fn without(mut self, flags: &[&'static str]) -> Self {
        self.left_out.extend(flags);
        self
    }

    pub(super) fn spec(&self) -> &'a Value {
        &self.deployment["spec"]["template"]["spec"]
    }

    pub(super) fn labels(&self) -> &'a Value {
        &self.deployment["spec"]["template"]["metadata"]["labels"]
    }

    pub(super) fn container(&self) -> &'a Value {
        let containers = list(&self.spec()["containers"]);
        assert_eq!(containers.len(), 1);
        &containers[0]
    }

    pub(super) fn args(&self) -> Vec<&'a str> {
        list(&self.container()["args"]).iter().map(text).collect()
    }

    /// The value of a flag.
    pub(super) fn flag(&self, name: &str) -> Option<&'a str> {
        self.args().into_iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
    }

    /// The number of a port with a name.
    pub(super) fn port(&self, name: &str) -> u64 {
        let ports = list(&self.container()["ports"]);
        let port = ports.iter().find(|port| port["name"] == name).unwrap_or_else(|| panic!("no port {name}"));
        port["containerPort"].as_u64().expect("it is a number")
    }

    /// Names and values of its variables.
    fn env(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        list(&self.container()["env"]).iter().map(|env| (text(&env["name"]), text(&env["value"])))
    }

    /// The files that flags and variables name below `/etc/teal/`: volume and name.
    pub(super) fn named_files(&self) -> Vec<(&'a str, &'a str)> {
        let values = self.args().into_iter().filter_map(|arg| Some(arg.split_once('=')?.1));
        let values = values.chain(self.env().map(|(_, value)| value));
        values.filter_map(|value| value.strip_prefix("/etc/teal/")?.split_once('/')).collect()
    }

    /// The volumes of its Secrets.
    pub(super) fn secrets(&self) -> Vec<&'a str> {
        let volumes = list(&self.spec()["volumes"]).iter();
        volumes.filter(|volume| volume["secret"].is_object()).map(|volume| text(&volume["name"])).collect()
    }

    /// The paths of its probes.
    pub(super) fn probes(&self) -> [&'a str; 2] {
        ["livenessProbe", "readinessProbe"].map(|probe| text(&self.container()[probe]["httpGet"]["path"]))
    }

    /// The files that its volumes have: those of the ConfigMap, the token, and others by volume and name.
    pub(super) fn files(&self, others: &BTreeMap<(&str, &str), PathBuf>) -> TempDir {
        let folder = TempDir::new().expect("there is room for files");
        let write = |volume: &str, name: &str, content: &[u8]| {
            let path = folder.path().join(volume);
            fs::create_dir_all(&path).expect("folders can be made");
            fs::write(path.join(name), content).expect("files can be written");
        };
        let config = &the(self.objects, "ConfigMap")["data"];
        for (name, content) in config.as_object().expect("it has files") {
            write("config", name, text(content).as_bytes());
        }
        write("admin", "token", TOKEN.as_bytes());
        for ((volume, name), path) in others {
            write(volume, name, &fs::read(path).expect("it is there"));
        }
        folder
    }

    /// Its arguments, but for the addresses that it binds, with these files and replaced words.
    pub(super) fn args_with(&self, files: &TempDir, words: &[(&str, &str)]) -> Vec<String> {
        let folder = files.path().to_str().expect("it has a plain name");
        let is_left_out = |arg: &str| self.left_out.iter().any(|flag| arg.starts_with(&format!("{flag}=")));
        let args = self.args().into_iter().filter(|arg| !is_left_out(arg));
        let paths = [("/etc/teal", folder), ("/var/lib/teal", folder)];
        let replaced = |arg: &str| {
            let words = paths.iter().chain(words);
            words.fold(arg.to_owned(), |arg, (from, to)| arg.replace(from, to))
        };
        args.map(replaced).collect()
    }

    /// teal as the pod starts it, on free ports.
    pub(super) fn teal(&self, files: &TempDir, words: &[(&str, &str)]) -> Builder {
        let folder = files.path().to_str().expect("it has a plain name");
        let builder = self.args_with(files, words).iter().fold(teal().admin(), |teal, arg| teal.arg(arg));
        self.env().fold(builder, |teal, (name, value)| teal.env(name, &value.replace("/etc/teal", folder)))
    }

    /// Probes it as the kubelet does, and reads the metrics as Prometheus does.
    pub(super) fn is_served_by(&self, server: &Server) {
        let get = |path: &str, headers: &[(&str, &str)]| {
            answer(send_with(server.admin(), &format!("GET {path}"), headers, ""))
        };
        for path in self.probes() {
            let answer = get(path, &[]);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        }
        for monitor in self.objects.iter().filter(|object| object["kind"] == "ServiceMonitor") {
            let path = text(&monitor["spec"]["endpoints"][0]["path"]);
            let answer = get(path, &[]);
            assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
            let metrics = get(path, &[("authorization", &format!("Bearer {}", TOKEN.trim()))]);
            assert!(metrics.contains("teal_active_strategy"), "{path}: {metrics}");
        }
    }
}
