//! Files on a disk. Large writes go past the page cache, which costs the kernel a fraction of the time, and takes no memory
//! from others; where the file system cannot do that, or is slow, all goes through the page cache.

use std::{
    fmt::Debug,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::files;

/// Addresses, positions and lengths of direct writes are multiples of this.
pub(super) const BLOCK: usize = 4096;
/// Less is not worth a direct write, which waits for the disk.
const DIRECT: usize = 64 << 10;

/// Where entries end up.
pub trait Storage: Debug + Send {
    /// Begins a new file.
    fn begin(&mut self) -> io::Result<()>;
    /// Writes at the end of the file, as much as it can. `is_behind`: so much more waits that memory takes it rather than the
    /// disk.
    fn write(&mut self, bytes: &[u8], is_behind: bool) -> io::Result<usize>;
    /// Cuts the file off.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Its name in the log.
    fn name(&self) -> String;
}

/// Files on a disk.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Full files to keep.
    keep: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// The same file past the page cache.
    direct: Option<File>,
    /// Its end.
    at: u64,
}

impl Disk {
    pub(super) fn new(path: PathBuf, keep: usize) -> Self {
        Self { path, keep, open: None }
    }

    fn open(&mut self) -> io::Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| io::Error::other("there is no file"))
    }
}

impl Storage for Disk {
    fn begin(&mut self) -> io::Result<()> {
        files::shift(&self.path, self.keep)?;
        // Others may not read what calls contain.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        self.open = Some(Open { file, direct: direct(&self.path), at: 0 });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], is_behind: bool) -> io::Result<usize> {
        self.open()?.write(bytes, is_behind)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let open = self.open()?;
        open.file.set_len(length)?;
        open.at = length;
        Ok(())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

impl Open {
    fn write(&mut self, bytes: &[u8], is_behind: bool) -> io::Result<usize> {
        let written = match (&self.direct, part(bytes, self.at)) {
            (Some(direct), Part::Blocks(len)) if !is_behind => {
                match direct.write_at(&bytes[..len], self.at) {
                    // This file system has larger blocks, or cannot do it after all.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        self.direct = None;
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    result => result,
                }
            }
            (Some(_), Part::Before(len)) if !is_behind => self.file.write_at(&bytes[..len], self.at),
            _ => self.file.write_at(bytes, self.at),
        }?;
        self.at += written as u64;
        Ok(written)
    }
}

/// Opens a file past the page cache, if its file system has that.
fn direct(path: &Path) -> Option<File> {
    #[cfg(target_os = "linux")]
    return OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok();
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// The part of a write that comes first.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// So many bytes up to a block.
    Before(usize),
    /// So many bytes of whole blocks.
    Blocks(usize),
    /// Neither: too few bytes, or bytes that are no blocks both in memory and in the file.
    Other,
}

fn part(bytes: &[u8], at: u64) -> Part {
    let before = (at.next_multiple_of(BLOCK as u64) - at) as usize;
    let blocks = bytes.len().saturating_sub(before) / BLOCK * BLOCK;
    if blocks < DIRECT || !(bytes.as_ptr().addr() + before).is_multiple_of(BLOCK) {
        return Part::Other;
    }
    if before > 0 { Part::Before(before) } else { Part::Blocks(blocks) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whole_blocks_go_past_the_page_cache() {
        let blocks = vec![7; DIRECT + 3 * BLOCK];
        let aligned = blocks.as_ptr().addr().next_multiple_of(BLOCK) - blocks.as_ptr().addr();
        let bytes = &blocks[aligned..];
        let whole = bytes.len() / BLOCK * BLOCK;
        assert_eq!(part(bytes, 0), Part::Blocks(whole));
        assert_eq!(part(&bytes[100..], 8192 + 100), Part::Before(BLOCK - 100));
        assert_eq!(part(&bytes[BLOCK..], 3 * BLOCK as u64), Part::Blocks(whole - BLOCK));
        // They lie elsewhere in the file than in memory, or are too few.
        assert_eq!(
            [part(&bytes[1..], 0), part(bytes, 1), part(&bytes[..BLOCK], 0)],
            [const { Part::Other }; 3]
        );
    }

    #[test]
    fn all_ways_to_write_make_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let mut disk = Disk::new(path.clone(), 0);
        disk.begin().unwrap();
        let mut pages = memmap2::MmapMut::map_anon(1 << 20).unwrap();
        pages.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 251) as u8);
        let mut written = 0;
        for (end, is_behind) in
            [(100, false), (300_000, false), (300_001, false), (600_000, true), (1 << 20, false)]
        {
            while written < end {
                written += disk.write(&pages[written..end], is_behind).unwrap();
            }
        }
        assert_eq!(fs::read(&path).unwrap(), &pages[..]);
        disk.cut(70_000).unwrap();
        assert_eq!(disk.write(&pages[70_000..70_100], false).unwrap(), 100);
        assert_eq!(fs::read(&path).unwrap(), &pages[..70_100]);
    }
}
