//! The zstd probe (RFC 8878, section 3.1), the frames of versions before 0.8
//! included.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::zstd as keys;
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

/// Magic numbers: of today's frames, and of older versions.
const MAGIC: u32 = 0xfd2f_b528;
const OLDEST: u32 = 0xfd2f_b51e;
const OLD: core::ops::RangeInclusive<u32> = 0xfd2f_b522..=0xfd2f_b527;
/// Those of lz4: behind skippable frames the file is that probe's.
const LZ4: [u32; 2] = [0x184d_2204, 0x184c_2102];

/// The longest header of a frame, and that of its first block.
const LENGTH: u64 = 18;
const BLOCK_HEADER: u64 = 3;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let (header, at) = match skippable::skip(image) {
        Next::Frame(MAGIC, at) => (Header::checked(check(image, at)), at),
        Next::Frame(magic, at) if magic == OLDEST || OLD.contains(&magic) => (Header::Good, at),
        Next::Frame(magic, at) if at == 0 || LZ4.contains(&magic) => return Outcome::NoMatch,
        Next::Frame(_, at) => (Header::Bad, at),
        Next::End => (Header::Good, 0),
        Next::Broken => (Header::Cut, 0),
        Next::Unknown => return Outcome::NoMatch,
    };
    container::conclude(&KEYS, header, Place::new(at, LENGTH), image, report)
}

/// The frame header's descriptor says how long the header is, and has a bit
/// that must be zero; the first block must not be of the reserved type.
fn check(image: &mut Image, at: u64) -> Option<bool> {
    let descriptor = image.bytes(at + 4, 1)?.u8(0)?;
    let single_segment = descriptor >> 5 & 1;
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied()?;
    let content = match descriptor >> 6 {
        0 => single_segment,
        n => 1 << n,
    };
    let length = 5 + u64::from(1 - single_segment) + dictionary + u64::from(content);
    let block = image.bytes(at + length, BLOCK_HEADER as usize)?.u8(0)?;
    Some(descriptor & 1 << 3 == 0 && block >> 1 & 3 != 3)
}
