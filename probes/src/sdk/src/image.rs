//! The image under a probe.

use crate::bytes::Bytes;
use crate::host;

/// What [`Image::bytes`] reads at a time, in bytes, of a cache that holds as
/// much: a block of what the host keeps.
pub const FETCHED: usize = 4096;

/// The memory a probe reads into. None of it is cleared between uses.
pub struct Buffers<'m> {
    /// The first bytes of the file, as many as are there.
    pub window: &'m [u8],
    /// Holds what [`Image::bytes`] read last.
    pub cache: &'m mut [u8],
    /// Holds what [`Image::chunk`] read last.
    pub chunk: &'m mut [u8],
}

/// The image a probe looks at. Whatever is asked of it, it answers with the
/// bytes that are there and never panics; only a run that is over its budget
/// ends, by the host's hand.
pub struct Image<'m> {
    buffers: Buffers<'m>,
    cached_at: u64,
    cached_len: usize,
    size: Option<u64>,
    deep: bool,
}

impl<'m> Image<'m> {
    /// An image as the ABI hands it over: a negative size is not known yet, a
    /// depth other than 0 is deep.
    pub fn new(buffers: Buffers<'m>, size: i64, depth: i32) -> Self {
        Image {
            buffers,
            cached_at: 0,
            cached_len: 0,
            size: u64::try_from(size).ok(),
            deep: depth != 0,
        }
    }

    /// Size of the file in bytes; `None` while a stream is still arriving.
    /// Without it nothing can be said to be missing.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether mapping tables are to be walked too.
    pub fn deep(&self) -> bool {
        self.deep
    }

    /// The first bytes of the file: the window the manifest asks for, less
    /// when the file is shorter or has not arrived.
    pub fn head(&self) -> &'m [u8] {
        self.buffers.window
    }

    /// Whether the file ends before `offset + len`; false while the size is
    /// not known.
    pub fn ends_before(&self, offset: u64, len: u64) -> bool {
        match (self.size, offset.checked_add(len)) {
            (None, _) => false,
            (_, None) => true,
            (Some(size), Some(end)) => end > size,
        }
    }

    /// The `len` bytes at an offset, from the window, the cache, or the file;
    /// `None` when they are not all there or `len` is larger than the cache. A
    /// read fetches [`FETCHED`] bytes from `offset` on, or as many as the cache
    /// holds, so that walking a table forward reads it in large pieces; more
    /// only if `len` is.
    pub fn bytes(&mut self, offset: u64, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len as u64)?;
        if end <= self.buffers.window.len() as u64 {
            return self.buffers.window.get(offset as usize..end as usize);
        }
        if offset < self.cached_at || end - self.cached_at > self.cached_len as u64 {
            let fetched = len.max(FETCHED).min(self.buffers.cache.len());
            self.cached_len = read(offset, self.buffers.cache.get_mut(..fetched).unwrap_or_default());
            self.cached_at = offset;
        }
        let at = (offset - self.cached_at) as usize;
        self.buffers.cache.get(..self.cached_len)?.get(at..at.checked_add(len)?)
    }

    /// Like [`Image::bytes`], but short where the file, or what has arrived of
    /// it, ends: for a name that may be cut. `len` must fit the cache.
    pub fn most(&mut self, offset: u64, len: usize) -> &[u8] {
        let len = match self.size {
            Some(size) => size.saturating_sub(offset).min(len as u64) as usize,
            None => len,
        };
        self.bytes(offset, len).unwrap_or_default()
    }

    /// Up to `len` bytes at an offset, short at the end of the file and at the
    /// size of the chunk buffer; empty when nothing is there.
    pub fn chunk(&mut self, offset: u64, len: u64) -> &[u8] {
        let len = len.min(self.buffers.chunk.len() as u64) as usize;
        let buf = self.buffers.chunk.get_mut(..len).unwrap_or_default();
        let n = read(offset, buf);
        buf.get(..n).unwrap_or_default()
    }

    /// The chunk buffer, for what a probe has to remember; [`Image::chunk`]
    /// reads nothing afterwards.
    pub fn take_chunk(&mut self) -> &'m mut [u8] {
        core::mem::take(&mut self.buffers.chunk)
    }

    /// The big-endian 32-bit number at an offset.
    pub fn be32(&mut self, offset: u64) -> Option<u32> {
        self.bytes(offset, 4)?.be32(0)
    }

    /// The big-endian 64-bit number at an offset.
    pub fn be64(&mut self, offset: u64) -> Option<u64> {
        self.bytes(offset, 8)?.be64(0)
    }
}

/// Fills buf from an offset on and returns how many bytes are there.
fn read(offset: u64, buf: &mut [u8]) -> usize {
    match i64::try_from(offset) {
        Ok(offset) if !buf.is_empty() => host::read_at(offset, buf).max(0) as usize,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;

    fn image<'m>(file: &[u8], window: &'m [u8], cache: &'m mut [u8], chunk: &'m mut [u8], size: i64) -> Image<'m> {
        native::load(file);
        Image::new(Buffers { window, cache, chunk }, size, 0)
    }

    #[test]
    fn bytes() {
        let file: Vec<u8> = (0..100).collect();
        let (mut cache, mut chunk) = ([0; 16], [0; 32]);
        let mut i = image(&file, &file[..8], &mut cache, &mut chunk, 100);
        for (at, len) in [(0, 8), (4, 8), (5, 8), (20, 16), (84, 16), (99, 1), (30, 0), (12, 4)] {
            assert_eq!(i.bytes(at, len as usize), Some(&file[at as usize..][..len]), "{len} at {at}");
        }
        for (at, len) in [(85, 16), (100, 1), (40, 17), (u64::MAX, 1), (u64::MAX, 0), (1 << 63, 1)] {
            assert_eq!(i.bytes(at, len as usize).filter(|b| !b.is_empty()), None, "{len} at {at}");
        }
        assert_eq!(i.be32(8), Some(0x08090a0b));
        assert_eq!(i.be64(93), None);
    }

    #[test]
    fn chunk() {
        let file: Vec<u8> = (0..100).collect();
        let (mut cache, mut chunk) = ([0; 16], [0; 32]);
        let mut i = image(&file, &[], &mut cache, &mut chunk, 100);
        assert_eq!(i.chunk(10, 5), &file[10..15]);
        assert_eq!(i.chunk(10, u64::MAX), &file[10..42]);
        assert_eq!(i.chunk(90, 32), &file[90..]);
        assert_eq!(i.chunk(100, 32), &[]);
        assert_eq!(i.chunk(u64::MAX, 32), &[]);
        assert_eq!(i.take_chunk().len(), 32);
        assert_eq!(i.chunk(10, 5), &[]);
    }

    #[test]
    fn sizes() {
        let mut i = image(&[], &[], &mut [], &mut [], 100);
        assert!(!i.ends_before(90, 10));
        assert!(i.ends_before(90, 11));
        assert!(i.ends_before(u64::MAX, 1));
        assert_eq!(i.bytes(0, 1), None);
        let i = image(&[], &[], &mut [], &mut [], -1);
        assert_eq!(i.size(), None);
        assert!(!i.ends_before(u64::MAX, u64::MAX));
    }
}
