//! The lz4 probe (LZ4 frame format, version 1.6.2), the legacy frame included.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::lz4 as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};
use container::skippable::{self, Next};
use container::{Header, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 64,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

const MAGIC: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;

/// FLG: the version, bits that must be zero, optional fields.
const VERSION: u8 = 0xc0;
const VERSION_1: u8 = 0x40;
const FLG_RESERVED: u8 = 1 << 1;
const CONTENT_SIZE: u8 = 1 << 3;
const DICTIONARY: u8 = 1 << 0;
/// BD: bits that must be zero.
const BD_RESERVED: u8 = 0x8f;
/// The longest descriptor, without its check sum.
const LENGTH: u64 = 14;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let (header, at) = match skippable::skip(image) {
        Next::Frame(MAGIC, at) => (Header::checked(check(image, at + 4)), at),
        Next::Frame(LEGACY, at) => (Header::checked(image.bytes(at + 4, 4).map(|_| true)), at),
        _ => return Outcome::NoMatch,
    };
    container::conclude(&KEYS, header, Place::new(at, 4 + LENGTH), image, report)
}

/// The frame descriptor at an offset, and its check sum.
fn check(image: &mut Image, at: u64) -> Option<bool> {
    let fixed = image.bytes(at, 2)?;
    let (flags, block) = (fixed.u8(0)?, fixed.u8(1)?);
    let mut length = 2;
    if flags & CONTENT_SIZE != 0 {
        length += 8;
    }
    if flags & DICTIONARY != 0 {
        length += 4;
    }
    let b = image.bytes(at, length + 1)?;
    let (descriptor, sum) = (b.get(..length)?, b.u8(length)?);
    Some(
        flags & VERSION == VERSION_1
            && flags & FLG_RESERVED == 0
            && block & BD_RESERVED == 0
            && block >> 4 >= 4
            && (xxh32(descriptor) >> 8) as u8 == sum,
    )
}

/// XXH32 with seed 0 of less than 16 bytes.
fn xxh32(bytes: &[u8]) -> u32 {
    const PRIME_1: u32 = 0x9e37_79b1;
    const PRIME_2: u32 = 0x85eb_ca77;
    const PRIME_3: u32 = 0xc2b2_ae3d;
    const PRIME_4: u32 = 0x27d4_eb2f;
    const PRIME_5: u32 = 0x1656_67b1;
    let mut h = PRIME_5.wrapping_add(bytes.len() as u32);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        h = h.wrapping_add(word.le32(0).unwrap_or(0).wrapping_mul(PRIME_3));
        h = h.rotate_left(17).wrapping_mul(PRIME_4);
    }
    for &b in words.remainder() {
        h = h.wrapping_add(u32::from(b).wrapping_mul(PRIME_5));
        h = h.rotate_left(11).wrapping_mul(PRIME_1);
    }
    h = (h ^ h >> 15).wrapping_mul(PRIME_2);
    h = (h ^ h >> 13).wrapping_mul(PRIME_3);
    h ^ h >> 16
}
