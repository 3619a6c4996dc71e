//! What the probes for containers share: files that are no disks, but may hold
//! one. Such a probe names the container and checks its first header; whoever
//! unpacks it checks the rest.

#![cfg_attr(target_arch = "wasm32", no_std)]

pub mod skippable;
pub mod tar;

use assay_probe::{Finding, Image, Outcome, Place, Report};

/// The findings of a container's format.
pub struct Keys {
    /// It is one.
    pub container: Finding,
    /// The file ends inside the header.
    pub header_cut: Finding,
    /// The header is one that no reader takes.
    pub header: Finding,
}

/// What the header of a container is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Header {
    Good,
    /// A field has a value that it must not have.
    Bad,
    /// It has more bytes than are there.
    Cut,
}

impl Header {
    /// The header that a check says is good, bad, or, with `None`, cut.
    pub fn checked(good: Option<bool>) -> Header {
        match good {
            Some(true) => Header::Good,
            Some(false) => Header::Bad,
            None => Header::Cut,
        }
    }
}

/// Reports a container whose header lies at `place`, as far as it is there.
pub fn conclude(keys: &Keys, header: Header, place: Place, image: &Image, report: &mut Report) -> Outcome {
    report.finding(keys.container, place, []);
    match (header, image.size()) {
        (Header::Bad, _) => report.finding(keys.header, place, []),
        (Header::Cut, Some(size)) => report.finding(keys.header_cut, place, [size]),
        _ => return Outcome::Match,
    }
    Outcome::Malformed
}
