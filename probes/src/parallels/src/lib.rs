//! The parallels probe, for expandable images of either magic. The source is
//! docs/interop/parallels.txt of qemu; sections named here are those of that
//! document. Where qemu's driver is stricter, so is the probe, and where it
//! shows zeros for what the image should hold, the probe says so.
//!
//! It reads the header and the features of the format extension, and in a deep
//! run the BAT and the tables of dirty bitmaps. A bundle's DiskDescriptor.xml,
//! which names the parents of an image, is not part of the image.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod bat;
mod extension;
mod header;

use assay_probe::{Image, Outcome, Report};
use header::Header;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 64,
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
    if header.check(image, report).is_err() || extension::check(&header, image, report).is_err() {
        return Outcome::Malformed;
    }
    if image.deep() && image.size().is_some() {
        let _ = bat::walk(&header, image, report);
    }
    Outcome::Match
}
