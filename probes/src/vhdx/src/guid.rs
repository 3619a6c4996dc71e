//! The GUIDs of the specification, as the two little-endian halves that they
//! are in the file: comparing numbers takes less code than comparing bytes.

use assay_probe::Bytes;

pub type Guid = (u64, u64);

pub const ZERO: Guid = (0, 0);

/// Section 2.2.3.2: regions.
pub const BAT: Guid = (0x4200_f623_2dc2_7766, 0x084a_fd9b_5e11_649d);
pub const METADATA: Guid = (0x4b9a_4790_8b7c_a206, 0x6e88_0f05_5f57_feb8);

/// Section 2.6.2: metadata items.
pub const FILE_PARAMETERS: Guid = (0x4d43_fa36_caa1_6737, 0x6be7_44aa_f033_b6b3);
pub const VIRTUAL_DISK_SIZE: Guid = (0x4876_cd1b_2fa5_4224, 0xb8f4_3bd8_be5d_11b2);
pub const VIRTUAL_DISK_ID: Guid = (0x4523_b2e6_beca_12ab, 0x46c7_00e0_09c3_ef93);
pub const LOGICAL_SECTOR_SIZE: Guid = (0x4709_a96f_8141_bf1d, 0x5fab_faa8_33f2_47ba);
pub const PHYSICAL_SECTOR_SIZE: Guid = (0x4471_445d_cda3_48c7, 0x56c5_5152_88e9_c99c);
pub const PARENT_LOCATOR: Guid = (0x454d_b30b_a8d3_5f2d, 0x0cab_3448_d8d3_f7ab);

/// The GUID at an offset of some bytes.
pub fn read(bytes: &[u8], at: usize) -> Option<Guid> {
    Some((bytes.le64(at)?, bytes.le64(at + 8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a GUID in the notation of the specification.
    fn bytes(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        let raw: Vec<u8> = (0..16).map(|i| u8::from_str_radix(&digits[2 * i..][..2], 16).unwrap()).collect();
        [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].iter().map(|&i| raw[i]).collect()
    }

    #[test]
    fn guids_of_the_specification() {
        for (guid, text) in [
            (BAT, "2DC27766-F623-4200-9D64-115E9BFD4A08"),
            (METADATA, "8B7CA206-4790-4B9A-B8FE-575F050F886E"),
            (FILE_PARAMETERS, "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"),
            (VIRTUAL_DISK_SIZE, "2FA54224-CD1B-4876-B211-5DBED83BF4B8"),
            (VIRTUAL_DISK_ID, "BECA12AB-B2E6-4523-93EF-C309E000C746"),
            (LOGICAL_SECTOR_SIZE, "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"),
            (PHYSICAL_SECTOR_SIZE, "CDA348C7-445D-4471-9CC9-E9885251C556"),
            (PARENT_LOCATOR, "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"),
        ] {
            assert_eq!(read(&bytes(text), 0), Some(guid), "{text}");
        }
    }
}
