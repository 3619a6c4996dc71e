//! The cloop probe: compressed loop images (cloop 2.x, cloop.h and
//! create_compressed_fs), big-endian behind a shell script of 128 bytes. The
//! bounds are those of qemu's driver.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::{self as core_keys, cloop as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 136,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

/// The script's first lines, with the version in between.
const START: &[u8] = b"#!/bin/sh\n#V";
const FORMAT: &[u8] = b" Format\n";
const VERSION: Place = Place { offset: 12, length: 3 };

/// Behind the script: size and number of blocks, then the offset of each block
/// and that of the end.
const BLOCK_SIZE: Place = Place { offset: 128, length: 4 };
const BLOCKS: Place = Place { offset: 132, length: 4 };
const OFFSETS: u64 = 136;

const MAX_BLOCK: u32 = 64 << 20;
const MAX_OFFSETS: u64 = 512 << 20;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    let version = head.get(12..15).unwrap_or_default();
    let numbered = matches!(version, [0x30..=0x3f, b'.', 0x30..=0x3f]);
    if !head.starts_with(START) || !numbered || head.get(15..15 + FORMAT.len()) != Some(FORMAT) {
        return Outcome::NoMatch;
    }
    report.finding(keys::UNSUPPORTED, Place::new(0, BLOCK_SIZE.offset), []);
    report.text(keys::VERSION, VERSION, version);
    let (block, blocks) = match (head.be32(128), head.be32(132), image.size()) {
        (Some(block), Some(blocks), _) => (block, blocks),
        (_, _, Some(size)) => {
            report.finding(keys::HEADER_CUT, Place::new(0, size), [size, OFFSETS]);
            return Outcome::Malformed;
        }
        _ => return Outcome::Match,
    };
    // Other versions are laid out in other ways.
    if version != b"2.0" {
        return Outcome::Malformed;
    }
    if block == 0 || block % 512 != 0 || block > MAX_BLOCK {
        report.finding(keys::HEADER, BLOCK_SIZE, [block.into()]);
        return Outcome::Malformed;
    }
    let length = 8 * (u64::from(blocks) + 1);
    if length > MAX_OFFSETS {
        report.finding(keys::HEADER, BLOCKS, [blocks.into()]);
        return Outcome::Malformed;
    }
    // At most 2^26 * 2^26.
    report.number(core_keys::VIRTUAL_SIZE, BLOCKS, u64::from(block) * u64::from(blocks));
    // The blocks lie behind their offsets and in the file.
    let place = Place::new(OFFSETS, length);
    let end = image.be64(OFFSETS + length - 8).unwrap_or(0).max(OFFSETS + length);
    if image.ends_before(end, 0) {
        report.finding(keys::INCOMPLETE, place, [end, image.size().unwrap_or(0)]);
    }
    match image.be64(OFFSETS) {
        Some(first) if first < OFFSETS + length => {
            report.finding(keys::HEADER, Place::new(OFFSETS, 8), [first]);
            Outcome::Malformed
        }
        _ => Outcome::Match,
    }
}
