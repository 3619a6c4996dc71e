//! The lzma probe: the .lzma container of LZMA Utils and the LZMA SDK
//! (specification in the SDK, lzma-specification.txt, "lzma file format").
//!
//! The format has no magic, so that a match takes fields that all hold: what
//! xz asks of a file before it takes it for this, and the first bit of data.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::lzma as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};
use container::{Header, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 18,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

/// The header, and the five bytes the range decoder starts with.
const LENGTH: u64 = 13;
const LEAST: u64 = 18;
/// lc = 3, lp = 0, pb = 2: what every tool writes unless told otherwise.
const USUAL: u8 = (2 * 5 + 0) * 9 + 3;
/// Values of lc, lp and pb, and of the smallest dictionary.
const PROPERTIES: u8 = 9 * 5 * 5;
const MIN_DICTIONARY: u32 = 1 << 12;
/// An uncompressed size that is not known, and the largest that xz believes.
const UNKNOWN: u64 = u64::MAX;
const MAX_SIZE: u64 = 1 << 38;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let header = match check(image.head()) {
        Some(Header::Good) if image.ends_before(LEAST, 0) => Header::Cut,
        Some(header) => header,
        None => return Outcome::NoMatch,
    };
    container::conclude(&KEYS, header, Place::new(0, LENGTH), image, report)
}

fn check(head: &[u8]) -> Option<Header> {
    let (properties, dictionary, size) = (head.u8(0)?, head.le32(1)?, head.le64(5)?);
    // Unusual properties are believed only with a size that is like a magic,
    // and the zero behind it.
    let usual = properties == USUAL || (properties < PROPERTIES && size == UNKNOWN && head.len() > LENGTH as usize);
    if !usual || !is_dictionary(dictionary) || !is_start(head.get(LENGTH as usize..).unwrap_or_default()) {
        return None;
    }
    Some(if size == UNKNOWN || size < MAX_SIZE { Header::Good } else { Header::Bad })
}

/// Whether the range coder can start so: with a byte of 0, and then, as the
/// dictionary is empty, a literal, which is a bit of 0 at even odds. Where
/// there is no data at all it is the marker of the end.
fn is_start(data: &[u8]) -> bool {
    matches!(data, [] | [0] | [0, 0..=0x7f, ..] | [0, 0x83] | [0, 0x83, 0xff] | [0, 0x83, 0xff, 0xfb, ..])
}

/// 2^n or 2^n + 2^(n-1), or all ones.
fn is_dictionary(size: u32) -> bool {
    let half = size & size.wrapping_sub(1);
    size == u32::MAX || (size >= MIN_DICTIONARY && (half == 0 || (half.is_power_of_two() && size == half | half >> 1)))
}
