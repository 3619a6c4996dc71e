//! The vdi probe, version 1.1. There is no specification: fields have the
//! names that VirtualBox gives them (VDICore.h), and the limits are those of
//! qemu's driver (block/vdi.c) where it is stricter.
//!
//! It reads the header, and in a deep run the block map, which must name each
//! allocated block once. What a truncated image lacks qemu's driver reads as
//! zeros; the probe says so at either depth.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod header;
mod map;

use assay_probe::{Image, Outcome, Report};
use header::Header;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 512,
    chunk: 32768,
    run: crate::run,
}

/// Returned by a step when what it saw makes the steps behind it pointless; it
/// has reported why.
pub struct Defect;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let header = match Header::read(image, report) {
        Ok(header) => header,
        Err(outcome) => return outcome,
    };
    if header.check(report).and(map::check(&header, image, report)).is_err() {
        return Outcome::Malformed;
    }
    if image.deep() && image.size().is_some() {
        let _ = map::walk(&header, image, report);
    }
    Outcome::Match
}
