//! The luks probe, versions 1 and 2. The sources are the LUKS On-Disk Format
//! Specification, version 1.2.3, and the LUKS2 On-Disk Format Specification,
//! version 1.1.1; sections named here are those of these documents.
//!
//! Of version 1 it checks every field that unlocking and reading the payload
//! depends on. Of version 2 it checks both binary headers and where their JSON
//! areas lie, not the JSON and not its checksum: no reader of disk images
//! takes version 2, so nothing is decided by them.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod v1;
mod v2;

use assay_probe::keys::luks as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 592,
    cache: 512,
    chunk: 0,
    run: crate::run,
}

/// Both versions, section 2: magic and version.
const MAGIC: &[u8] = b"LUKS\xba\xbe";
const VERSION: Place = Place { offset: 6, length: 2 };

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if head.get(..MAGIC.len()) != Some(MAGIC) {
        return v2::orphan(image, report);
    }
    let version = head.be16(VERSION.offset as usize);
    if let Some(version) = version {
        report.number(keys::VERSION, VERSION, version.into());
    }
    match (version, image.size()) {
        (Some(1), _) => v1::run(image, report),
        (Some(2), _) => v2::run(image, report),
        (Some(other), _) => {
            report.finding(keys::UNKNOWN_VERSION, VERSION, [other.into()]);
            Outcome::Malformed
        }
        (None, Some(size)) => header_cut(size, v1::LENGTH as u64, report),
        (None, None) => Outcome::Match,
    }
}

/// Says that the file ends inside a header of `length` bytes.
fn header_cut(size: u64, length: u64, report: &mut Report) -> Outcome {
    report.finding(keys::HEADER_CUT, Place::new(0, size), [size, length]);
    Outcome::Malformed
}
