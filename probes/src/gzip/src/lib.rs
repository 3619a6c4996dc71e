//! The gzip probe (RFC 1952, section 2.3).

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::gzip as keys;
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

const MAGIC: &[u8] = b"\x1f\x8b";
/// The header, two bytes of data, CRC and size of what was compressed.
const LEAST: usize = 18;
/// CM: the others are reserved, and no reader takes them.
const DEFLATE: u8 = 8;
/// FLG: bits that must be zero, and the one for extra fields.
const RESERVED: u8 = 0xe0;
const FEXTRA: u8 = 1 << 2;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if head.get(..2) != Some(MAGIC) || head.u8(2).map_or(false, |method| method != DEFLATE) {
        return Outcome::NoMatch;
    }
    let header = Header::checked(check(head, image));
    container::conclude(&KEYS, header, Place::new(0, 10), image, report)
}

fn check(head: &[u8], image: &Image) -> Option<bool> {
    let flags = head.u8(3)?;
    let extra = if flags & FEXTRA != 0 { 2 + u64::from(head.le16(10)?) } else { 0 };
    if head.len() < LEAST || image.ends_before(LEAST as u64, extra) {
        return None;
    }
    Some(flags & RESERVED == 0)
}
