//! The first member of a tar archive (POSIX.1, pax, "ustar Interchange
//! Format"; and the format of V7, which has no magic but the same check sum).

use crate::Header;
use assay_probe::{Bytes, Image};

/// Bytes of a header, and of what data is padded to.
pub const BLOCK: u64 = 512;
/// Headers of extensions that are skipped before the first member.
const MAX_EXTENSIONS: u32 = 8;

/// Types of extensions: of pax, and GNU's long names and volume labels.
const EXTENSIONS: &[u8] = b"xgLKV";
/// Types that have no data, whatever their size says: links, devices, folders.
const EMPTY: &[u8] = b"123456";

/// What is known of an archive.
pub struct Member {
    pub header: Header,
    /// Offset of the member's header, or of the one that is not good.
    pub at: u64,
    /// End of the member's data, in bytes; 0 without a good header.
    pub end: u64,
    /// Whether the member is the description of a virtual machine: an archive
    /// that starts with one is an OVA (DSP0243, section 5.3).
    pub is_ovf: bool,
}

/// Finds the first member; `None` when the file does not start with a tar
/// header.
pub fn first_member(image: &mut Image) -> Option<Member> {
    let mut at = 0;
    for count in 0..=MAX_EXTENSIONS {
        let whole = image.bytes(at, BLOCK as usize).is_some();
        let b = image.most(at, BLOCK as usize);
        let is_ovf = b.get(..100).map_or(false, is_ovf);
        let magic = b.get(257..262) == Some(b"ustar");
        let good = whole && check_sum(b);
        // Without the magic only the check sum tells a header from anything.
        if count == 0 && !magic && !good {
            return None;
        }
        let kind = b.u8(156).unwrap_or(0);
        let size = b.get(124..136).and_then(number);
        let (header, size) = match size {
            _ if !whole => (Header::Cut, 0),
            Some(size) if good => (Header::Good, size),
            _ => (Header::Bad, 0),
        };
        let data = if EMPTY.contains(&kind) { 0 } else { size };
        let end = (at + BLOCK).saturating_add(data);
        if header != Header::Good {
            return Some(Member { header, at, end: 0, is_ovf });
        }
        let next = end.saturating_add(BLOCK - 1) & !(BLOCK - 1);
        let last = !EXTENSIONS.contains(&kind) || count == MAX_EXTENSIONS;
        if last || image.bytes(next, BLOCK as usize).is_none() {
            return Some(Member { header, at, end, is_ovf });
        }
        at = next;
    }
    None
}

/// Whether a name ends in .ovf.
fn is_ovf(field: &[u8]) -> bool {
    let name = field.split(|&b| b == 0).next().unwrap_or_default();
    let tail = name.get(name.len().saturating_sub(4)..).unwrap_or_default();
    tail.eq_ignore_ascii_case(b".ovf")
}

/// Whether the bytes of the header, those of the check sum as spaces, add up
/// to it. Old tools added signed bytes, and readers take both.
fn check_sum(b: &[u8]) -> bool {
    let (mut plain, mut signed) = (0u64, 0i64);
    for (i, &byte) in b.iter().enumerate() {
        let byte = if (148..156).contains(&i) { b' ' } else { byte };
        plain += u64::from(byte);
        signed += i64::from(byte as i8);
    }
    match b.get(148..156).and_then(number) {
        Some(want) => want == plain || i64::try_from(want) == Ok(signed),
        None => false,
    }
}

/// A number in octal digits, between spaces and zeros, or, with its first bit
/// set, in binary; an empty field is 0. Numbers that no offset can be are none.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first() {
        if first == 0x80 {
            return rest.iter().try_fold(0u64, |n, &b| if n >> 55 == 0 { Some(n << 8 | u64::from(b)) } else { None });
        }
    }
    let mut n = 0;
    for &b in field.iter().skip_while(|&&b| b == b' ') {
        match b {
            b'0'..=b'7' => n = n << 3 | u64::from(b - b'0'), // at most 12 digits
            b' ' | 0 => break,
            _ => return None,
        }
    }
    Some(n)
}
