//! The zip probe (APPNOTE.TXT, version 6.3.10, section 4.3): an archive that
//! starts as one. What merely ends as one, such as a program that unpacks
//! itself, is what it starts as.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::zip as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};
use container::{Header, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 34,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

/// Signatures: a file, the end of an archive without files, and both that
/// stand before the first file of an archive in parts (section 8.5).
const FILE: &[u8] = b"PK\x03\x04";
const END: &[u8] = b"PK\x05\x06";
const PARTS: [&[u8]; 2] = [b"PK\x07\x08", b"PK00"];

/// Bytes of the headers, and the newest version that section 4.4.3 knows.
const FILE_HEADER: usize = 30;
const END_HEADER: u64 = 22;
const VERSION: u8 = 63;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    let header = match head.get(..4) {
        Some(FILE) => Header::checked(file(head, 0, image)),
        Some(END) if image.ends_before(END_HEADER, 0) => Header::Cut,
        Some(END) => Header::Good,
        Some(parts) if PARTS.contains(&parts) => match head.get(4..8) {
            Some(FILE) => Header::checked(file(head.get(4..).unwrap_or_default(), 4, image)),
            None if parts != PARTS[1] => Header::Cut,
            // Four printable characters alone could start any text.
            _ => return Outcome::NoMatch,
        },
        _ => return Outcome::NoMatch,
    };
    container::conclude(&KEYS, header, Place::new(0, FILE_HEADER as u64), image, report)
}

/// The header of a file, `at` bytes into the archive.
fn file(header: &[u8], at: u64, image: &Image) -> Option<bool> {
    let (version, name, extra) = (header.u8(4)?, header.le16(26)?, header.le16(28)?);
    if image.ends_before(at + FILE_HEADER as u64, u64::from(name) + u64::from(extra)) {
        return None;
    }
    Some(version <= VERSION && name != 0)
}
