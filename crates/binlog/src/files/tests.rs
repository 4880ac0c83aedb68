use std::time::SystemTime;

use super::*;
use crate::encode::Encoder;

fn log() -> Vec<u8> {
    let mut log = Vec::new();
    Encoder::new(1).cancel(&mut log, SystemTime::now());
    log
}

#[test]
fn files_are_shifted_and_the_last_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    for round in 0..4 {
        shift(&path, 2).unwrap();
        fs::write(&path, format!("{round}")).unwrap();
    }
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    assert_eq!(parts(&path).iter().map(read).collect::<Vec<_>>(), ["1", "2", "3"]);
    shift(&path, 0).unwrap();
    assert!(!path.exists());
}

#[test]
fn other_files_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    inspect(&path, 2).unwrap();
    fs::write(&path, log()).unwrap();
    fs::write(part(&path, 1), "").unwrap();
    inspect(&path, 2).unwrap();
    fs::write(part(&path, 2), "precious").unwrap();
    assert!(matches!(inspect(&path, 2), Err(Occupied::Foreign(at)) if at == part(&path, 2)));
    inspect(&path, 1).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(inspect(&link, 0), Err(Occupied::Foreign(_))));
    assert!(matches!(inspect(folder.path(), 0), Err(Occupied::Foreign(_))));
}
