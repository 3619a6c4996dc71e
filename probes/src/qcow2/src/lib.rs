//! The qcow2 probe, versions 2 and 3. The source is docs/interop/qcow2.txt of
//! qemu; sections named here are those of that document. Where qemu's driver
//! is stricter than the document, so is the probe.
//!
//! It reports every field that decides what opening the image would do, and
//! what the engine's policy needs to judge it; the deep run follows the active
//! and the snapshots' mapping tables and compares the refcounts with what they
//! use. It does not read guest data, does not decompress, and leaves bounds
//! (of sizes, snapshots, tables) to the policy.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod bitmaps;
mod entries;
mod extensions;
mod features;
mod geometry;
mod header;
mod ledger;
mod mapping;
mod refcounts;
mod snapshots;

use assay_probe::{Image, Outcome, Report};
use extensions::Extensions;
use header::Header;
use ledger::Ledger;
use mapping::Table;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 4096,
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
    let features = features::check(&header, report);
    let extensions = Extensions::walk(&header, image, report);
    let geometry = geometry::check(&header, image, report);
    if features.is_err() || extensions.broken || geometry.is_err() {
        return Outcome::Malformed;
    }
    let mapped = match snapshots::check(&header, image, report) {
        Ok(bytes) => bytes,
        Err(Defect) => return Outcome::Malformed,
    };
    geometry::metadata_bytes(&header, mapped, image, report);
    // What lies in another file is not here to be walked.
    if image.deep() && image.size().is_some() && !header.has_backing_file() && !extensions.data_file {
        let _ = walk(&header, &extensions, image, report);
    }
    Outcome::Match
}

/// The deep run: every table, then the refcounts of what the tables use. It
/// ends at the first defect.
fn walk(header: &Header, extensions: &Extensions, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let mut used = Ledger::default();
    header.record_use(&mut used);
    let active = Table { offset: header.l1_table_offset, entries: header.l1_size, disk: header.size };
    mapping::walk(header, &active, image, report, &mut used)?;
    snapshots::walk(header, image, report, &mut used)?;
    extensions.record_use(header, &mut used);
    if let Some(directory) = &extensions.bitmaps {
        bitmaps::walk(header, directory, image, report, &mut used)?;
    }
    refcounts::check(header, image, report, used)
}
