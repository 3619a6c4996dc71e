//! The vhd probe: fixed, dynamic and differencing disks. The source is
//! Microsoft's Virtual Hard Disk Image Format Specification, version 1.0;
//! sections and fields named here are those of that document. Where qemu's
//! driver (vpc) is stricter than the document, so is the probe.
//!
//! The footer is at the end of the file, and all but fixed disks start with a
//! copy of it. qemu looks at the start first, other readers at the end, some
//! also for a shorter footer; so all of that is looked at, and what only some
//! readers would take for this disk is reported. The deep run follows the
//! block allocation table and the blocks' bitmaps.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod blocks;
mod dynamic;
mod footer;
mod overlap;
mod parent;
mod size;

use assay_probe::{Image, Outcome, Report};
use footer::{Footer, DIFFERENCING, DYNAMIC, FIXED};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 2048,
    cache: 4096,
    chunk: 40960,
    run: crate::run,
}

/// Returned by a step when what it saw makes the steps behind it pointless; it
/// has reported why.
pub struct Defect;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let (footer, places) = match footer::find(image, report) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let checked = footer.check(report);
    let disk = size::check(&footer, report);
    let result = match footer.disk_type {
        FIXED if !footer.copy => disk.and_then(|disk| size::fits(&footer, disk, image, report)),
        DYNAMIC | DIFFERENCING => dynamic(&footer, disk, image, report),
        _ => Err(Defect),
    };
    if places.is_err() || checked.is_err() || result.is_err() {
        return Outcome::Malformed;
    }
    Outcome::Match
}

/// Checks what only dynamic and differencing disks have. The parent is
/// reported before anything can be wrong with the rest: a reference is a
/// reference in a damaged image too.
fn dynamic(footer: &Footer, disk: Result<u64, Defect>, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let differencing = footer.disk_type == DIFFERENCING;
    parent::check(footer.data_offset, differencing, image, report);
    let header = match dynamic::Header::read(footer, image, report)? {
        Some(header) => header,
        None => return Ok(()), // has not arrived
    };
    let checked = header.check(report);
    let disk = disk?;
    checked?;
    header.check_table(disk, image, report)?;
    if image.deep() && image.size().is_some() {
        // What is wrong with a block leaves the image a whole VHD.
        let _ = blocks::walk(&header, disk, differencing, image, report);
    }
    Ok(())
}
