//! The Debian package, from its installation to its purge.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use super::{
    container::{Container, system},
    dist, file, is_root, root, run, said,
};
use crate::{
    readme::first_example_reads_at,
    support::{Place, beside, command, has},
};

const SERVICE: &str = "packaging/debian/teal.service";

/// The package as of a later version.
fn newer(package: &Path, folder: &Path) {
    let files = folder.join("newer");
    said(Command::new("dpkg-deb").arg("--raw-extract").args([package, &files]));
    let control = files.join("DEBIAN/control");
    let text = fs::read_to_string(&control).expect("it is there");
    let version = text.lines().find(|line| line.starts_with("Version: ")).expect("it has one");
    fs::write(&control, text.replace(version, "Version: 99.0")).expect("files can be written");
    // Compression takes longer than anything else here.
    said(Command::new("dpkg-deb").args(["-Znone", "--build"]).args([&files, &folder.join("newer.deb")]));
    fs::remove_dir_all(files).expect("it is there");
}

/// All files, but those that other programs write.
fn files(system: &Container) -> BTreeSet<String> {
    let found =
        system.run("find / -xdev -path /var/log -prune -o -path /var/lib/systemd/catalog -prune -o -print");
    found.lines().map(str::to_owned).collect()
}

#[test]
fn a_package_serves_from_installation_to_purge() {
    let Some(dist) = dist().filter(|_| is_root()) else { return };
    if !has("systemd-nspawn", "systemd-container") || !has("debootstrap", "debootstrap") {
        return;
    }
    let _beside = beside();
    let (clients, operators, folder) = (Place::new(), Place::new(), system());
    let package = file(dist, ".deb");
    let within = folder.path().join("root");
    fs::copy(&package, within.join("teal.deb")).expect("there is room for files");
    newer(&package, &within);
    // Ports of this test's own, and a shorter watchdog, as a user would set them.
    let drop_in = folder.path().join("etc/systemd/system/teal.service.d");
    fs::create_dir_all(&drop_in).expect("there is room for files");
    let ports = format!("TEAL_LISTEN={} TEAL_ADMIN={}", clients.text(), operators.text());
    fs::write(drop_in.join("test.conf"), format!("[Service]\nEnvironment={ports}\nWatchdogSec=5s\n"))
        .expect("files can be written");
    let system = Container::boot(folder);
    let before = files(&system);

    // Installed, it serves at once, as a user of its own.
    system.run("dpkg --install /root/teal.deb");
    let shown = |property: &str| {
        system.run(&format!("systemctl show --value --property {property} teal")).trim().to_owned()
    };
    let states = || ["ActiveState", "SubState", "UnitFileState"].map(&shown);
    assert_eq!(states(), ["active", "running", "enabled"], "{}", system.run("journalctl --unit teal"));
    assert_eq!(system.run(&format!("stat --format=%U /proc/{}", shown("MainPID"))).trim(), "teal");
    first_example_reads_at(clients.address);
    assert!(command().args(&["status"]).to(&operators.address).run().done().contains("blue"));
    // The confinement of the unit is in force, and the program can live with it.
    let confined = format!(
        "grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/{}/status | tr -s '\\t\\n' ' '",
        shown("MainPID")
    );
    assert_eq!(system.run(&confined).trim(), "CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2");

    // Settings are reloaded; what is wrong with them is shown, and changes nothing.
    let reload = |line: &str, outcome: &str| {
        let wait = format!(
            "until systemctl show --property StatusText teal | grep --quiet '{outcome}'; do sleep 0.1; done"
        );
        system.run(&format!(
            "echo '{line}' >>/etc/teal/teal.toml; systemctl reload teal; timeout 60 sh -c \"{wait}\""
        ));
    };
    reload("grace = \"2s\"", "Settings reloaded: grace is 2s now, it was 5s");
    reload("notice = \"soon\"", "Settings not reloaded, nothing has changed: notice in /etc/teal/teal.toml:");
    system.run("sed -i /^notice/d /etc/teal/teal.toml");

    // One that hangs is started again.
    let hung = shown("MainPID");
    system.run(&format!(
        "systemctl kill --signal=STOP teal; tail --pid={hung} --follow /dev/null; systemctl start teal"
    ));
    assert_ne!(shown("MainPID"), hung);
    assert_eq!(shown("NRestarts"), "1");

    // An upgrade keeps settings and state, and serves again.
    system.run("dpkg --install --force-confold /root/newer.deb");
    assert_eq!(states(), ["active", "running", "enabled"], "{}", system.run("journalctl --unit teal"));
    assert!(system.run("cat /etc/teal/teal.toml").ends_with("grace = \"2s\"\n"));
    first_example_reads_at(clients.address);

    // A purge leaves nothing but the user.
    system.run("dpkg --purge teal");
    let left: Vec<String> = files(&system).difference(&before).cloned().collect();
    let is_dpkg = |path: &String| path.starts_with("/var/lib/dpkg/") || path.starts_with("/var/cache/");
    let left: Vec<&String> = left.iter().filter(|path| !is_dpkg(path)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(system.run("getent passwd teal | cut -d: -f6,7").trim(), "/nonexistent:/usr/sbin/nologin");
    system.end();
}

#[test]
fn the_service_is_confined() {
    if !has("systemd-analyze", "systemd") {
        return;
    }
    let service = root().join(SERVICE);
    let said = run(
        "systemd-analyze",
        ["security", "--offline=true", "--no-pager", service.to_str().expect("a plain name")],
    );
    let level = said
        .lines()
        .find_map(|line| line.split("exposure level for teal.service: ").nth(1))
        .expect("it is said");
    let level: f64 = level.split(' ').next().and_then(|level| level.parse().ok()).expect("a number");
    assert!(level <= 2.0, "{said}");
}

#[test]
fn the_package_has_a_manual_for_each_command() {
    let Some(dist) = dist() else { return };
    let listed = run("dpkg-deb", ["--contents", file(dist, ".deb").to_str().expect("a plain name")]);
    for command in ["", "-serve", "-switch", "-fault-add", "-record-start", "-completions", "-man"] {
        let page = format!("./usr/share/man/man1/teal{command}.1.gz\n");
        assert!(listed.contains(&page), "{page} is not in\n{listed}");
    }
    for path in [
        "./usr/bin/teal",
        "./usr/share/bash-completion/completions/teal",
        "./usr/share/zsh/vendor-completions/_teal",
        "./usr/share/fish/vendor_completions.d/teal.fish",
        "./usr/share/doc/teal/copyright",
    ] {
        assert!(listed.contains(&format!("{path}\n")), "{path} is not in\n{listed}");
    }
    let folder = tempfile::TempDir::new().expect("there is room for files");
    let man = folder.path().join("man");
    command().args(&["man", man.to_str().expect("a plain name")]).run().done();
    for page in fs::read_dir(man).expect("it is there").map(|entry| entry.expect("it can be read").path()) {
        if has("man", "man-db") {
            let mut read = Command::new("man");
            let output = read
                .env("MANROFFSEQ", "")
                .args(["--warnings", "--local-file"])
                .arg(&page)
                .output()
                .expect("man starts");
            let wrong = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && wrong.is_empty(), "{}: {wrong}", page.display());
        }
    }
}
