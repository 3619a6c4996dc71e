//! The qed probe. The source is docs/interop/qed_spec.txt of qemu; sections
//! named here are those of that document. Where qemu's driver is stricter, so
//! is the probe.
//!
//! It reads the header and in a deep run the L1 table and the L2 tables.

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
