//! The image, unpacked and run where there is nothing else.

use std::{fs, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use super::{dist, file, is_root, said};
use crate::{
    readme::first_example_reads_at,
    support::{Place, Running, has},
};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_image_serves_from_its_own_files() {
    let Some(dist) = dist().filter(|_| is_root()) else { return };
    if !has("umoci", "umoci") {
        return;
    }
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room for files");
    let [layout, bundle] = ["layout", "bundle"].map(|name| folder.path().join(name));
    fs::create_dir(&layout).expect("there is room for files");
    said(
        Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(file(dist, ".tar"))
            .arg("--directory")
            .arg(&layout),
    );
    let image = format!("{}:teal:{}", layout.display(), env!("CARGO_PKG_VERSION"));
    said(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle));
    let read = |name: &str| fs::read_to_string(bundle.join(name)).expect("it is there");
    let config: Value = serde_json::from_str(&read("config.json")).expect("it is JSON");
    let process = &config["process"];
    assert_eq!((&process["user"]["uid"], &process["user"]["gid"]), (&65532.into(), &65532.into()));
    assert_eq!(process["args"], serde_json::json!(["teal"]));
    assert_eq!(config["annotations"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert!(read("rootfs/etc/ssl/certs/ca-certificates.crt").contains("BEGIN CERTIFICATE"));

    // As a runtime starts it: with the image's environment, user and program, and ports of this test's own.
    let (clients, operators) = (Place::new(), Place::new());
    let inside = |args: &[&str]| {
        let mut chroot = Command::new("/usr/sbin/chroot");
        chroot
            .args(["--userspec=65532:65532"])
            .arg(bundle.join("rootfs"))
            .arg("/usr/bin/teal")
            .args(args)
            .env_clear();
        let variables = process["env"].as_array().expect("a list").iter().filter_map(Value::as_str);
        chroot.envs(variables.filter_map(|variable| variable.split_once('=')));
        chroot.env("TEAL_ADMIN", operators.text());
        chroot
    };
    let listen = process["env"].as_array().expect("a list");
    assert!(listen.contains(&"TEAL_LISTEN=0.0.0.0:50051".into()), "others cannot connect");
    let mut server = Running::start("teal", &mut inside(&["--listen", &clients.text()]));
    server.wait_for("Server started on ", 1, SOON);
    first_example_reads_at(clients.address);
    // The health check.
    said(&mut inside(&["status"]));
    // An engine with TLS needs the authorities.
    let secured = Running::start(
        "teal",
        &mut inside(&["--upstream", "https://localhost:1", "--listen", "127.0.0.1:0", "--admin", "off"]),
    );
    secured.wait_for("Server started on ", 1, SOON);
    server.signal("TERM");
    assert!(server.wait(SOON).success(), "{}", server.output());
    assert!(!inside(&["status"]).output().expect("it starts").status.success());
}
