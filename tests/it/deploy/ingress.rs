//! The statements of the page on Kubernetes about an ingress, with nginx in its place: before teal, and before its engines.

use std::{fs, process::Command, time::Duration};

use tempfile::TempDir;

use crate::support::{
    Authority, Connector, Pair, Place, Running, Server, call, engine, has, python, rehearsal, rehearse, teal,
};

const SOON: Duration = Duration::from_secs(60);
/// The path on Debian, which is not in everyone's `PATH`.
const NGINX: &str = "/usr/sbin/nginx";
const METADATA: [(&str, &str); 1] = [("authorization", "Bearer someone")];

/// nginx with these servers, until it is dropped.
struct Nginx {
    _running: Running,
    _folder: TempDir,
}

impl Nginx {
    fn run(servers: &str) -> Self {
        let folder = TempDir::new().expect("there is room for files");
        let path = folder.path().display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = kinds.map(|kind| format!("{kind}_temp_path {path}/{kind};\n")).concat();
        let config = format!(
            "daemon off;\npid {path}/pid;\nerror_log stderr notice;\nworker_processes 1;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{servers}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("files can be written");
        let running =
            Running::start("nginx", Command::new(NGINX).arg("-p").arg(folder.path()).arg("-c").arg(&file));
        running.wait_for("start worker process ", 1, SOON);
        Self { _running: running, _folder: folder }
    }
}

/// An nginx that forwards to this server, without TLS, with some settings.
fn before(server: &Server, settings: &str) -> (Nginx, Place) {
    let place = Place::new();
    let (here, there) = (place.text(), server.address);
    let config =
        format!("server {{ listen {here} http2; {settings} location / {{ grpc_pass grpc://{there}; }} }}");
    (Nginx::run(&config), place)
}

fn engines() -> [Server; 2] {
    [0, 1].map(|_| engine().with("--sessions", "any").run())
}

/// TLS ends there. Connections live for longer than 1 000 calls: clients as simple as this one lose calls when they end.
#[test]
fn switches_pass_an_ingress_without_loss() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let engines = engines();
    let server = teal().admin().between(engines[0].address, engines[1].address);
    let server = server.switch_every("0").notice("0s").grace("200ms").run();
    let authority = Authority::new();
    let Pair { certificate, key } = authority.issue("localhost");
    let (place, there) = (Place::new(), server.address);
    let _nginx = Nginx::run(&format!(
        "upstream teal {{ server {there}; keepalive 8; }}\n\
         server {{ listen {} ssl http2; keepalive_requests 1000000;\n\
         ssl_certificate {}; ssl_certificate_key {};\n\
         location / {{ grpc_pass grpc://teal; }} }}",
        place.text(),
        certificate.display(),
        key.display()
    ));
    let rehearsed = rehearsal()
        .with("--to", &format!("https://localhost:{}", place.address.port()))
        .with("--tls-ca", &authority.file().to_string_lossy())
        .with("--clients", "4")
        .with("--duration", "4s")
        .with("--admin", &server.admin().to_string())
        .with("--switch-every", "1s")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    rehearsed.keeps_promises();
    assert_eq!(rehearsed.number("/queries/lost"), 0, "{}", rehearsed.output);
    assert!(server.lines_with("Strategy switched from ").len() >= 2, "{}", server.output());
}

/// The ingress ends a connection after 20 calls, in the middle of the others.
#[test]
fn connectors_survive_the_end_of_connections() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let server = teal().switch_every("0").run();
    let (_nginx, place) = before(&server, "keepalive_requests 20;");
    python(Connector::V3_0_2).run_offline("ingress.py", &[&place.text()]);
}

#[test]
fn a_456_passes_an_ingress_unchanged() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let server = teal().switch_every("0").run();
    let (_nginx, place) = before(&server, "");
    let [direct, through] = [server.address, place.address].map(|at| {
        let metadata = [METADATA[0], ("strategy", "green")];
        let rejected = call(at, "getSchemaNames", &metadata, Vec::new(), SOON).expect_err("blue is active");
        let expected = rejected.metadata().get("expected-strategy").cloned();
        (rejected.code(), rejected.message().to_owned(), expected)
    });
    assert!(direct.1.contains("456"), "{direct:?}");
    assert_eq!(through, direct);
}

/// Such as `proxy-read-timeout`, 60 s by default.
#[test]
fn an_ingress_ends_calls_that_take_too_long() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let server = teal().with("--fault", "method=getSchemaNames,hang,first=1").run();
    let (_nginx, place) = before(&server, "grpc_read_timeout 500ms;");
    let ask = || call(place.address, "getSchemaNames", &METADATA, Vec::new(), SOON);
    let refused = ask().expect_err("it hangs");
    assert!(refused.message().contains("504"), "{refused:?}");
    ask().expect("it is answered");
}

/// Such as `proxy-body-size`, 1 MiB by default.
#[test]
fn an_ingress_limits_the_size_of_requests() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let server = teal().run();
    // A field that nobody knows, of 2 MiB.
    let mut message = vec![0xfa, 0x3f, 0x80, 0x80, 0x80, 0x01];
    message.resize(message.len() + (2 << 20), b'x');
    let ask = |place: &Place| call(place.address, "getSchemaNames", &METADATA, message.clone(), SOON);
    let (_nginx, place) = before(&server, "");
    let refused = ask(&place).expect_err("it is too large");
    assert!(refused.message().contains("413"), "{refused:?}");
    let (_nginx, place) = before(&server, "client_max_body_size 0;");
    ask(&place).expect("it is answered");
}

/// Both engines are behind one ingress, which knows them by the host that a call names.
#[test]
fn engines_behind_an_ingress_are_told_by_host() {
    if !has(NGINX, "nginx-light") {
        return;
    }
    let engines = engines();
    let place = Place::new();
    let (here, port) = (place.text(), place.address.port());
    let servers = [("127.0.0.1", &engines[0]), ("localhost", &engines[1])].map(|(host, engine)| {
        format!(
            "server {{ listen {here} http2; server_name {host}; location / {{ grpc_pass grpc://{}; }} }}\n",
            engine.address
        )
    });
    let other = format!("server {{ listen {here} http2 default_server; return 404; }}\n");
    let _nginx = Nginx::run(&format!("{}{other}", servers.concat()));
    let [blue, green] = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}"));
    let named = |authority: &str| {
        let server = teal().admin().with("--blue", &blue).with("--green", &green);
        let server = server.with("--upstream-authority", authority);
        server.switch_every("0").notice("0s").grace("200ms").listen("127.0.0.2:0").run()
    };
    // Clients name teal, which is no host of the ingress.
    let server = named("client");
    let refused = call(server.address, "getSchemaNames", &METADATA, Vec::new(), SOON);
    let refused = refused.expect_err("no host has this name");
    assert!(refused.message().contains("404"), "{refused:?}");
    let server = named("engine");
    let rehearsed = rehearse(&server)
        .with("--clients", "2")
        .with("--duration", "3s")
        .with("--admin", &server.admin().to_string())
        .with("--switch-every", "1s")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    rehearsed.keeps_promises();
    assert!(server.lines_with("Strategy switched from ").len() >= 2, "{}", server.output());
}
