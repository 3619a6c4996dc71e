//! The vmdk probe: hosted sparse extents (`KDMV`), stream-optimized ones, and
//! the descriptors inside them and alone; COWD and seSparse extents are
//! recognized and not looked into. The source is VMware's technical note
//! Virtual Disk Format 5.0; sections named here are those of that document.
//!
//! A VMDK is text and tables, and its readers differ in how they take the
//! text: some search it for a key, some compare ignoring case, some stop at a
//! NUL byte, some read a fixed number of sectors. The probe reads it strictly
//! and reports what another reader could see where this one sees nothing.
//!
//! It reports every file that the text names. The deep run follows the grain
//! directories to the grain tables, to the grains, and to their markers; it
//! does not read guest data, does not decompress, and leaves bounds (of
//! extents, grains, tables, the descriptor) to the policy.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod descriptor;
mod extents;
mod footer;
mod geometry;
mod header;
mod line;
mod otherextents;
mod sparse;
mod standalone;
mod tables;

use assay_probe::{Image, Outcome, Report};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 1024,
    cache: 16384,
    chunk: 16,
    run: crate::run,
}

/// Returned by a step when what it saw makes the steps behind it pointless; it
/// has reported why.
pub struct Defect;

/// The unit of the format, in bytes.
pub const SECTOR: u64 = 512;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    match image.head().get(..4) {
        Some(b"KDMV") => sparse::run(image, report),
        Some(b"COWD") => otherextents::cowd(image, report),
        Some(b"VMDK") | Some(b"DWOC") => otherextents::wrong_endian(report),
        Some(b"\xbe\xba\xfe\xca") => otherextents::sesparse(image, report),
        _ => standalone::run(image, report),
    }
}
