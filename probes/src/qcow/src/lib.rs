//! The qcow probe, version 1; versions 2 and 3 are qcow2's. There is no
//! specification: fields and limits are those of qemu's driver (block/qcow.c).
//!
//! It reads the header and in a deep run the L1 table and the L2 tables, of
//! which the driver takes what a truncated image lacks for zeros.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod header;
mod tables;

use assay_probe::{Image, Outcome, Report};
use header::Header;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 4096,
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
    if header.check(image, report).is_err() {
        return Outcome::Malformed;
    }
    // What lies in another file is not here to be walked.
    if image.deep() && image.size().is_some() && !header.has_backing_file() {
        let _ = tables::walk(&header, image, report);
    }
    Outcome::Match
}
