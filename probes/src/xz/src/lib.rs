//! The xz probe (The .xz File Format, version 1.2.0, section 2.1.1).

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::xz as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};
use container::{Header, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 12,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

const MAGIC: &[u8] = b"\xfd7zXZ\0";
const LENGTH: u64 = 12;
/// A stream without blocks: header, index and footer.
const LEAST: u64 = 32;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if head.get(..MAGIC.len()) != Some(MAGIC) {
        return Outcome::NoMatch;
    }
    let header = if image.ends_before(LEAST, 0) { Header::Cut } else { Header::checked(check(head)) };
    container::conclude(&KEYS, header, Place::new(0, LENGTH), image, report)
}

/// The flags: a zero byte, and a type of check below 16; then their CRC.
fn check(head: &[u8]) -> Option<bool> {
    let flags = head.get(6..8)?;
    Some(flags.u8(0)? == 0 && flags.u8(1)? < 16 && crc32(flags) == head.le32(8)?)
}

/// CRC-32, bit by bit: it is two bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0;
    for &b in bytes {
        crc ^= u32::from(b);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
