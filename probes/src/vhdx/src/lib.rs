//! The vhdx probe. The source is [MS-VHDX], Virtual Hard Disk v2; sections
//! named here are those of that document. Where qemu's driver refuses, or
//! shows in silence less than the disk, the probe says so.
//!
//! It reads both headers and both region tables, the metadata table and the
//! items that the specification defines, and in a deep run the BAT. A log that
//! is in use is not replayed: what the file holds without it is not the disk.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod bat;
mod extent;
mod guid;
mod header;
mod locator;
mod metadata;
mod regions;

use assay_probe::crc32::{Tables, CASTAGNOLI};
use assay_probe::{Image, Outcome, Report};
use header::Header;
use metadata::Metadata;
use regions::Regions;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 8,
    cache: 4096,
    chunk: 32768,
    run: crate::run,
}

static CRC32C: Tables = Tables::new(CASTAGNOLI);

const SIGNATURE: &[u8] = b"vhdxfile";

/// The unit of every offset and length of a region, of the log and of a
/// block, and the size of the header section.
const MIB: u64 = 1 << 20;

/// Returned by a step when what it saw makes the steps behind it pointless; it
/// has reported why.
pub struct Defect;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    if image.head() != SIGNATURE {
        return Outcome::NoMatch;
    }
    match inspect(image, report) {
        Ok(()) => Outcome::Match,
        Err(Defect) => Outcome::Malformed,
    }
}

/// Follows the chain of structures, each of which says where the next is. On
/// the first phase of a stream it ends where the bytes do.
fn inspect(image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    extent::header_section(image, report)?;
    let header = match Header::current(image, report)? {
        Some(header) => header,
        None => return Ok(()),
    };
    let log = header.check(image, report);
    let regions = match Regions::read(&header, image, report)? {
        Some(regions) => regions,
        None => return Ok(()),
    };
    let metadata = match Metadata::read(&regions.metadata, image, report)? {
        Some(metadata) => metadata,
        None => return Ok(()),
    };
    let disk = metadata.check(report)?;
    bat::check(&disk, &regions, report)?;
    log?;
    if image.deep() && image.size().is_some() {
        // What is wrong with an entry is in the report; the headers hold.
        let _ = bat::walk(&disk, &header, &regions, image, report);
    }
    Ok(())
}
