//! The bzip2 probe. There is no specification; the layout is that of the
//! program's sources, version 1.0.8.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::bzip2 as keys;
use assay_probe::{Image, Outcome, Place, Report};
use container::{Header, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 10,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

/// "BZh" and the size of a block, then the magic of the first block or that of
/// the end of a stream without blocks.
const LEVEL: usize = 3;
const BLOCK: &[u8] = b"\x31\x41\x59\x26\x53\x59";
const END: &[u8] = b"\x17\x72\x45\x38\x50\x90";
/// A stream without blocks: magic, that of the end, a CRC.
const LEAST: u64 = 14;

/// The probe. The three letters alone could start any text, so that what is
/// there of the second magic must be right too.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    let behind = head.get(LEVEL + 1..).unwrap_or_default();
    let level = match head.get(..LEVEL + 1) {
        Some([b'B', b'Z', b'h', level @ 0x30..=0x3f]) => (b'1'..=b'9').contains(level),
        _ => return Outcome::NoMatch,
    };
    if !(BLOCK.starts_with(behind) || END.starts_with(behind)) {
        return Outcome::NoMatch;
    }
    let cut = image.ends_before(LEAST, 0);
    let header = match (level, cut) {
        (true, false) => Header::Good,
        (false, false) => Header::Bad,
        (true, true) => Header::Cut,
        (false, true) => return Outcome::NoMatch,
    };
    container::conclude(&KEYS, header, Place::new(0, 10), image, report)
}
