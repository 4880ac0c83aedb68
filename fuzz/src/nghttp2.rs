//! The header compression of nghttp2.

use std::{ffi::c_int, ptr};

#[repr(C)]
struct Nv {
    name: *mut u8,
    value: *mut u8,
    name_len: usize,
    value_len: usize,
    flags: u8,
}

const FLAG_NO_INDEX: u8 = 1;
const INFLATE_FINAL: c_int = 1;
const INFLATE_EMIT: c_int = 2;

#[link(name = "nghttp2")]
unsafe extern "C" {
    fn nghttp2_hd_deflate_new(deflater: *mut *mut u8, max: usize) -> c_int;
    fn nghttp2_hd_deflate_del(deflater: *mut u8);
    fn nghttp2_hd_deflate_change_table_size(deflater: *mut u8, max: usize) -> c_int;
    fn nghttp2_hd_deflate_bound(deflater: *mut u8, nva: *const Nv, len: usize) -> usize;
    fn nghttp2_hd_deflate_hd(
        deflater: *mut u8,
        buf: *mut u8,
        len: usize,
        nva: *const Nv,
        nvlen: usize,
    ) -> isize;
    fn nghttp2_hd_deflate_get_dynamic_table_size(deflater: *mut u8) -> usize;
    fn nghttp2_hd_inflate_new(inflater: *mut *mut u8) -> c_int;
    fn nghttp2_hd_inflate_del(inflater: *mut u8);
    fn nghttp2_hd_inflate_change_table_size(inflater: *mut u8, max: usize) -> c_int;
    fn nghttp2_hd_inflate_hd2(
        inflater: *mut u8,
        nv: *mut Nv,
        flags: *mut c_int,
        input: *const u8,
        len: usize,
        is_final: c_int,
    ) -> isize;
    fn nghttp2_hd_inflate_end_headers(inflater: *mut u8) -> c_int;
    fn nghttp2_hd_inflate_get_num_table_entries(inflater: *mut u8) -> usize;
    fn nghttp2_hd_inflate_get_table_entry(inflater: *mut u8, index: usize) -> *const Nv;
    fn nghttp2_hd_inflate_get_dynamic_table_size(inflater: *mut u8) -> usize;
    fn nghttp2_check_header_name(name: *const u8, len: usize) -> c_int;
    fn nghttp2_check_header_value(value: *const u8, len: usize) -> c_int;
}

/// Entries of the static table.
const STATIC: usize = 61;

/// A field: its name, its value, and whether it must never be indexed.
pub(crate) type Text = (Vec<u8>, Vec<u8>, bool);

impl Nv {
    fn of((name, value, is_sensitive): &Text) -> Self {
        Self {
            name: name.as_ptr().cast_mut(),
            value: value.as_ptr().cast_mut(),
            name_len: name.len(),
            value_len: value.len(),
            flags: if *is_sensitive { FLAG_NO_INDEX } else { 0 },
        }
    }

    /// SAFETY: it was filled by nghttp2, and its memory is still there.
    unsafe fn text(&self) -> Text {
        let bytes = |start: *mut u8, len| match len {
            0 => Vec::new(),
            _ => unsafe { std::slice::from_raw_parts(start, len) }.to_vec(),
        };
        (bytes(self.name, self.name_len), bytes(self.value, self.value_len), self.flags & FLAG_NO_INDEX != 0)
    }
}

pub(crate) fn is_name(name: &[u8]) -> bool {
    // SAFETY: it reads no more than that.
    unsafe { nghttp2_check_header_name(name.as_ptr(), name.len()) != 0 }
}

pub(crate) fn is_value(value: &[u8]) -> bool {
    // SAFETY: it reads no more than that.
    unsafe { nghttp2_check_header_value(value.as_ptr(), value.len()) != 0 }
}

pub(crate) struct Inflater(*mut u8);

impl Inflater {
    pub(crate) fn new() -> Self {
        let mut inflater = ptr::null_mut();
        // SAFETY: it fills the pointer.
        assert_eq!(unsafe { nghttp2_hd_inflate_new(&mut inflater) }, 0);
        Self(inflater)
    }

    /// Applies SETTINGS_HEADER_TABLE_SIZE, once it was acknowledged.
    pub(crate) fn set_max_size(&mut self, size: usize) {
        // SAFETY: no block is begun.
        assert_eq!(unsafe { nghttp2_hd_inflate_change_table_size(self.0, size) }, 0);
    }

    /// The fields of a whole block; `None` if it is wrong.
    pub(crate) fn inflate(&mut self, mut block: &[u8]) -> Option<Vec<Text>> {
        let mut fields = Vec::new();
        loop {
            let mut nv =
                Nv { name: ptr::null_mut(), value: ptr::null_mut(), name_len: 0, value_len: 0, flags: 0 };
            let mut flags = 0;
            // SAFETY: the block is as long as it says, and the field is read before the next call.
            let read = unsafe {
                let read =
                    nghttp2_hd_inflate_hd2(self.0, &mut nv, &mut flags, block.as_ptr(), block.len(), 1);
                if read >= 0 && flags & INFLATE_EMIT != 0 {
                    fields.push(nv.text());
                }
                read
            };
            block = &block[usize::try_from(read).ok()?..];
            if flags & INFLATE_FINAL != 0 {
                // SAFETY: the block is at its end.
                unsafe { nghttp2_hd_inflate_end_headers(self.0) };
                return Some(fields);
            }
            if flags & INFLATE_EMIT == 0 && block.is_empty() {
                return None;
            }
        }
    }

    /// The dynamic table's entries from the newest, and their size in bytes.
    pub(crate) fn table(&self) -> (Vec<Text>, usize) {
        // SAFETY: the entries are there as long as nothing is inflated.
        unsafe {
            let last = nghttp2_hd_inflate_get_num_table_entries(self.0);
            let entry = |index| (*nghttp2_hd_inflate_get_table_entry(self.0, index)).text();
            let entries = (STATIC + 1..=last).map(entry).collect();
            (entries, nghttp2_hd_inflate_get_dynamic_table_size(self.0))
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: it is used no more.
        unsafe { nghttp2_hd_inflate_del(self.0) };
    }
}

pub(crate) struct Deflater(*mut u8);

impl Deflater {
    pub(crate) fn new() -> Self {
        let mut deflater = ptr::null_mut();
        // SAFETY: it fills the pointer.
        assert_eq!(unsafe { nghttp2_hd_deflate_new(&mut deflater, 4096) }, 0);
        Self(deflater)
    }

    pub(crate) fn set_max_size(&mut self, size: usize) {
        // SAFETY: no block is begun.
        assert_eq!(unsafe { nghttp2_hd_deflate_change_table_size(self.0, size) }, 0);
    }

    pub(crate) fn deflate(&mut self, fields: &[Text]) -> Vec<u8> {
        let fields: Vec<Nv> = fields.iter().map(Nv::of).collect();
        // SAFETY: the texts outlive the call, and the block is not longer than the bound.
        unsafe {
            let mut block = vec![0; nghttp2_hd_deflate_bound(self.0, fields.as_ptr(), fields.len())];
            let len =
                nghttp2_hd_deflate_hd(self.0, block.as_mut_ptr(), block.len(), fields.as_ptr(), fields.len());
            block.truncate(usize::try_from(len).expect("it fits the bound"));
            block
        }
    }

    /// The size of the dynamic table in bytes.
    pub(crate) fn table_size(&self) -> usize {
        // SAFETY: it reads a number.
        unsafe { nghttp2_hd_deflate_get_dynamic_table_size(self.0) }
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // SAFETY: it is used no more.
        unsafe { nghttp2_hd_deflate_del(self.0) };
    }
}
