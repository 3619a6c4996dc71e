//! Numbers out of bytes that may be too short.

/// Reads numbers at an offset, in bytes; `None` when they do not fit.
///
/// WebAssembly has no instruction that swaps bytes, so that a big-endian
/// number is a function of its own instead of its instructions in every place.
pub trait Bytes {
    /// The `N` bytes at an offset.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]>;
    /// The byte at an offset.
    fn u8(&self, at: usize) -> Option<u8>;
    /// A big-endian 16-bit number.
    fn be16(&self, at: usize) -> Option<u16>;
    /// A big-endian 32-bit number.
    fn be32(&self, at: usize) -> Option<u32>;
    /// A big-endian 64-bit number.
    fn be64(&self, at: usize) -> Option<u64>;
    /// A little-endian 16-bit number.
    fn le16(&self, at: usize) -> Option<u16>;
    /// A little-endian 32-bit number.
    fn le32(&self, at: usize) -> Option<u32>;
    /// A little-endian 64-bit number.
    fn le64(&self, at: usize) -> Option<u64>;
}

impl Bytes for [u8] {
    #[inline]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    #[inline]
    fn u8(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }

    #[inline(never)]
    fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    #[inline(never)]
    fn be32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    #[inline(never)]
    fn be64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    #[inline]
    fn le16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    #[inline]
    fn le32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    #[inline]
    fn le64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn numbers() {
        let b: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(b.u8(7), Some(8));
        assert_eq!(b.be16(6), Some(0x0708));
        assert_eq!(b.le16(0), Some(0x0201));
        assert_eq!(b.be32(4), Some(0x0506_0708));
        assert_eq!(b.le32(4), Some(0x0807_0605));
        assert_eq!(b.be64(0), Some(0x0102_0304_0506_0708));
        assert_eq!(b.le64(0), Some(0x0807_0605_0403_0201));
    }

    #[test]
    fn outside() {
        let b: &[u8] = &[1, 2, 3, 4];
        for at in [1, 4, 5, usize::MAX - 3, usize::MAX] {
            assert_eq!(b.be32(at), None, "at {at}");
            assert_eq!(b.le64(at), None, "at {at}");
        }
        assert_eq!(b.u8(4), None);
    }
}
