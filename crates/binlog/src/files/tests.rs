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

#[test]
fn entries_of_all_files_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let read = || -> Vec<Result<u64, String>> {
        let of = |entry: Result<Located, FileError>| entry.map(|entry| entry.entry.call_id);
        let name = folder.path().display().to_string();
        let told = |error: FileError| error.to_string().replace(&name, "FOLDER");
        entries(&path).map(|entry| of(entry).map_err(told)).collect()
    };
    let log = |call| {
        let mut log = Vec::new();
        Encoder::new(call).cancel(&mut log, SystemTime::now());
        log
    };
    assert!(matches!(&*read(), [Err(why)] if why.starts_with("FOLDER/r: No such file")));
    fs::write(&path, "").unwrap();
    assert_eq!(read(), [Err("FOLDER/r: at byte 0: the file is empty".to_owned())]);
    fs::write(part(&path, 1), "").unwrap();
    assert_eq!(read(), []);
    fs::write(part(&path, 2), log(1)).unwrap();
    fs::write(part(&path, 3), "precious").unwrap();
    let second = log(2);
    fs::write(&path, [&second[..], &second[..5]].concat()).unwrap();
    let foreign = "FOLDER/r.3: at byte 0: expected a binary log of gRPC, found another format";
    let cut = format!("FOLDER/r: at byte {}: the file ends within an entry", second.len());
    assert_eq!(read(), [Err(foreign.to_owned()), Ok(1), Ok(2), Err(cut)]);
    assert!(entries(&path).last().unwrap().unwrap_err().is_cut_off());
}
