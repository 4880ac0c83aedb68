//! teal takes the arguments of each pod, starts with them, and answers what Kubernetes, Prometheus and clients ask.

use std::{collections::BTreeMap, fs, path::PathBuf};

use tempfile::TempDir;

use super::{SETS, list, of, pod::Pod, text};
use crate::{
    many::Etcd,
    support::{Authority, Connector, Pair, Server, command, engine, python},
};

/// The files of the Secrets but the token, by volume and name.
struct Secrets {
    servers: Authority,
    clients: Authority,
    password: TempDir,
}

impl Secrets {
    fn new() -> Self {
        let password = TempDir::new().expect("there is room for files");
        fs::write(password.path().join("password"), "secret\n").expect("files can be written");
        Self { servers: Authority::new(), clients: Authority::new(), password }
    }

    fn files(&self) -> BTreeMap<(&'static str, &'static str), PathBuf> {
        let mut files = BTreeMap::from([
            (("client-ca", "ca.crt"), self.clients.file()),
            (("tls", "ca.crt"), self.servers.file()),
            (("engine-ca", "ca.crt"), self.servers.file()),
            (("etcd-ca", "ca.crt"), self.servers.file()),
            (("etcd-password", "password"), self.password.path().join("password")),
        ]);
        for (volume, host) in [("tls", "127.0.0.1"), ("engine-tls", "teal"), ("etcd-tls", "teal")] {
            let Pair { certificate, key } = self.servers.issue(host);
            files.insert((volume, "tls.crt"), certificate);
            files.insert((volume, "tls.key"), key);
        }
        let Pair { certificate, key } = self.clients.issue("helm-test");
        files.insert(("client-tls", "tls.crt"), certificate);
        files.insert(("client-tls", "tls.key"), key);
        files
    }
}

fn engines() -> [Server; 2] {
    [0, 1].map(|_| engine().with("--sessions", "any").run())
}

/// Puts the engines of a test in the place of those in the values.
fn words<'a>(pod: &Pod<'a>, urls: &'a [String; 2]) -> Vec<(&'a str, &'a str)> {
    let flags = [("--blue", &urls[0]), ("--green", &urls[1])];
    flags.iter().map(|(flag, url)| (pod.flag(flag).expect("it is set"), url.as_str())).collect()
}

#[test]
fn teal_takes_the_arguments_of_each_pod() {
    let secrets = Secrets::new();
    for (name, objects) in SETS.iter() {
        let pod = Pod::of(objects);
        let files = pod.files(&secrets.files());
        for (volume, file) in pod.named_files() {
            assert!(files.path().join(volume).join(file).exists(), "{name}: no Secret has {volume}/{file}");
        }
        let args = pod.args_with(&files, &[]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = command().args(&["check"]).args(&args).run().done();
        assert!(said.contains("teal.toml"), "{name}: its configuration is not read: {said}");
    }
}

#[test]
fn one_instance_serves_a_connector() {
    let engines = engines();
    let urls = engines.each_ref().map(|engine| format!("http://{}", engine.address));
    for name in ["one", "plain one"] {
        let pod = Pod::of(&SETS[name]);
        let files = pod.files(&BTreeMap::new());
        let server = pod.teal(&files, &words(&pod, &urls)).run();
        pod.is_served_by(&server);
        python(Connector::V3_0_2).run(&server, "once.py", &[]);
        assert!(files.path().join("state").exists(), "it has no state");
    }
}

#[test]
fn three_instances_share_a_switch() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let urls = engines.each_ref().map(|engine| format!("http://{}", engine.address));
    let pod = Pod::of(&SETS["three"]);
    let files = pod.files(&BTreeMap::new());
    let (members, mut words) = (etcd.urls(), words(&pod, &urls));
    words.push((pod.flag("--etcd").expect("it is set"), &members));
    let replicas = pod.deployment["spec"]["replicas"].as_u64().expect("it is a number");
    // A pod has the name of its host.
    let instance = |number| pod.teal(&files, &words).with("--instance", &format!("teal-{number}")).run();
    let servers: Vec<Server> = (0..replicas).map(instance).collect();
    servers.iter().for_each(|server| pod.is_served_by(server));
    let prefix = pod.flag("--etcd-prefix").expect("it is set");
    assert_eq!(etcd.instances(prefix), ["teal-0", "teal-1", "teal-2"]);
    python(Connector::V3_0_2).run(&servers[2], "once.py", &[]);
}

#[test]
fn an_instance_serves_with_tls_everywhere() {
    let secrets = Secrets::new();
    let Some(etcd) = Etcd::secure(&secrets.servers) else { return };
    // etcd without users refuses a login.
    let pod = Pod::of(&SETS["secure"]).without(&["--etcd-user", "--etcd-password-file"]);
    let Pair { certificate, key } = secrets.servers.issue("engine.example");
    let [certificate, key, ca] = [certificate, key, secrets.servers.file()]
        .map(|path| path.into_os_string().into_string().expect("temporary files have plain names"));
    let secure =
        || engine().with("--tls-cert", &certificate).with("--tls-key", &key).with("--client-ca", &ca);
    let engines = [0, 1].map(|_| secure().with("--sessions", "any").run());
    let urls = engines.each_ref().map(|engine| format!("https://{}", engine.address));
    let (members, mut words) = (etcd.urls(), words(&pod, &urls));
    words.push((pod.flag("--etcd").expect("it is set"), &members));
    let files = pod.files(&secrets.files());
    let server = pod.teal(&files, &words).run();
    pod.is_served_by(&server);
    let mut args = vec![secrets.servers.file()];
    for pair in [
        secrets.clients.issue("known"),
        secrets.servers.issue("unknown"),
        secrets.clients.issue_expired("known"),
    ] {
        args.extend([pair.certificate, pair.key]);
    }
    let args: Vec<&str> = args.iter().map(|path| path.to_str().expect("it has a plain name")).collect();
    python(Connector::V3_0_2).run(&server, "mutual.py", &args);
    helm_test_is_answered("secure", &files, &server);
}

/// `helm test` runs commands that talk to the Services.
fn helm_test_is_answered(set: &str, files: &TempDir, server: &Server) {
    let folder = files.path().to_str().expect("it has a plain name");
    let (admin, calls) = (server.admin().to_string(), server.address.to_string());
    let mut commands = Vec::new();
    for test in of(&SETS[set], "Pod") {
        for container in list(&test["spec"]["containers"]) {
            let args: Vec<String> = list(&container["args"])
                .iter()
                .map(|arg| text(arg).replace("teal-admin:50061", &admin).replace("teal:50051", &calls))
                .map(|arg| arg.replace("/etc/teal", folder))
                .collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            commands.push(args[0].to_owned());
            let said = command().args(&args).run();
            assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        }
    }
    assert_eq!(commands, ["status", "rehearse"]);
}

#[test]
fn helm_test_asks_what_is_answered() {
    let pod = Pod::of(&SETS["mock"]);
    let files = pod.files(&BTreeMap::new());
    let server = pod.teal(&files, &[]).run();
    helm_test_is_answered("mock", &files, &server);
}
