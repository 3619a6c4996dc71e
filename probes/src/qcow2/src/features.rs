//! Feature bits, compression and encryption (section Header).

use crate::header::{self, Header};
use crate::Defect;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Place, Report};

const INCOMPATIBLE: Place = Place::new(72, 8);
const COMPATIBLE: Place = Place::new(80, 8);
const AUTOCLEAR: Place = Place::new(88, 8);
const COMPRESSION_TYPE: Place = Place::new(104, 1);
const CRYPT_METHOD: Place = Place::new(32, 4);

const KNOWN_INCOMPATIBLE: u64 =
    header::DIRTY | header::CORRUPT | header::EXTERNAL_DATA | header::COMPRESSION_TYPE | header::EXTENDED_L2;
const LAZY_REFCOUNTS: u64 = 1 << 0;
const KNOWN_AUTOCLEAR: u64 = header::BITMAPS | header::RAW_EXTERNAL_DATA;

pub const NO_ENCRYPTION: u32 = 0;
pub const AES: u32 = 1;
pub const LUKS: u32 = 2;

/// Reports the features. A defect is one that leaves open what the tables
/// mean.
pub fn check(header: &Header, report: &mut Report) -> Result<(), Defect> {
    let mut result = Ok(());
    if header.incompatible & header::DIRTY != 0 {
        report.finding(keys::DIRTY, INCOMPATIBLE, []);
    }
    if header.incompatible & header::CORRUPT != 0 {
        report.finding(keys::CORRUPT, INCOMPATIBLE, []);
    }
    let unknown = header.incompatible & !KNOWN_INCOMPATIBLE;
    if unknown != 0 {
        report.finding(keys::UNKNOWN_INCOMPATIBLE, INCOMPATIBLE, [unknown]);
        result = Err(Defect);
    }
    let unknown = header.compatible & !LAZY_REFCOUNTS;
    if unknown != 0 {
        report.finding(keys::UNKNOWN_COMPATIBLE, COMPATIBLE, [unknown]);
    }
    let unknown = header.autoclear & !KNOWN_AUTOCLEAR;
    if unknown != 0 {
        report.finding(keys::UNKNOWN_AUTOCLEAR, AUTOCLEAR, [unknown]);
    }
    report.flag(keys::EXTENDED_L2, INCOMPATIBLE, header.incompatible & header::EXTENDED_L2 != 0);
    report.flag(keys::LAZY_REFCOUNTS, COMPATIBLE, header.compatible & LAZY_REFCOUNTS != 0);

    let announced = header.incompatible & header::COMPRESSION_TYPE != 0;
    match (header.compression_type, announced) {
        (0, false) => report.text(keys::COMPRESSION, COMPRESSION_TYPE, b"zlib"),
        (1, true) => report.text(keys::COMPRESSION, COMPRESSION_TYPE, b"zstd"),
        (other, _) => {
            report.finding(keys::COMPRESSION_TYPE, COMPRESSION_TYPE, [other.into(), announced.into()]);
            result = Err(Defect);
        }
    }
    match header.crypt_method {
        NO_ENCRYPTION => (),
        AES => {
            report.text(keys::ENCRYPTION, CRYPT_METHOD, b"aes");
            report.finding(keys::AES, CRYPT_METHOD, []);
        }
        LUKS => {
            report.text(keys::ENCRYPTION, CRYPT_METHOD, b"luks");
            report.finding(keys::LUKS, CRYPT_METHOD, []);
        }
        other => {
            report.finding(keys::ENCRYPTION_METHOD, CRYPT_METHOD, [other.into(), LUKS.into()]);
            result = Err(Defect);
        }
    }
    result
}
