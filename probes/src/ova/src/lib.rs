//! The ova probe: an archive of tar whose first member is the description of a
//! virtual machine (DSP0243, section 5.3).

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::ova as keys;
use assay_probe::{Image, Outcome, Place, Report};
use container::{tar, Keys};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 512,
    chunk: 0,
    run: crate::run,
}

const KEYS: Keys = Keys { container: keys::CONTAINER, header_cut: keys::HEADER_CUT, header: keys::HEADER };

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    match tar::first_member(image) {
        Some(member) if member.is_ovf => {
            if image.ends_before(member.end, 0) {
                report.finding(keys::INCOMPLETE, Place::new(member.at + 124, 12), [member.end, image.size().unwrap_or(0)]);
            }
            container::conclude(&KEYS, member.header, Place::new(member.at, tar::BLOCK), image, report)
        }
        _ => Outcome::NoMatch,
    }
}
