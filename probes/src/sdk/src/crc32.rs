//! CRCs of 32 bits with a reflected polynomial, eight bytes a step: byte by
//! byte, those of a vhdx header would take most of its inspection. Of tables
//! most is zeros, and those are taken a block at a time.

/// Polynomial of CRC-32 as in ISO 3309, bits reflected: GPT.
pub const ISO_3309: u32 = 0xedb8_8320;
/// Polynomial of CRC-32C (Castagnoli), bits reflected: VHDX.
pub const CASTAGNOLI: u32 = 0x82f6_3b78;

const STEP: usize = 8;
/// What is taken at a time when it is all zeros, a multiple of STEP.
const BLOCK: usize = 64;

/// The look-up tables of a polynomial, 8.5 KiB. A probe keeps them in a static.
pub struct Tables {
    /// Entry b of table k is the CRC of byte b with k zero bytes behind it.
    bytes: [[u32; 256]; STEP],
    /// Entry d of table k is what digit k of a CRC in hexadecimal, the last is
    /// digit 0, comes to when it is d, with a block of zeros behind it.
    zeros: [[u32; 16]; 8],
}

impl Tables {
    /// Computes the tables.
    pub const fn new(polynomial: u32) -> Self {
        let mut t = [[0; 256]; STEP];
        let mut b = 0;
        while b < 256 {
            let mut crc = b as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 != 0 { crc >> 1 ^ polynomial } else { crc >> 1 };
                bit += 1;
            }
            t[0][b] = crc;
            b += 1;
        }
        let mut k = 1;
        while k < STEP {
            let mut b = 0;
            while b < 256 {
                let crc = t[k - 1][b];
                t[k][b] = crc >> 8 ^ t[0][(crc & 0xff) as usize];
                b += 1;
            }
            k += 1;
        }
        let mut zeros = [[0; 16]; 8];
        let mut k = 0;
        while k < 8 {
            let mut d = 0;
            while d < 16 {
                let mut crc = (d as u32) << (4 * k);
                let mut done = 0;
                while done < BLOCK {
                    crc = t[7][(crc & 0xff) as usize]
                        ^ t[6][(crc >> 8 & 0xff) as usize]
                        ^ t[5][(crc >> 16 & 0xff) as usize]
                        ^ t[4][(crc >> 24) as usize];
                    done += STEP;
                }
                zeros[k][d] = crc;
                d += 1;
            }
            k += 1;
        }
        Tables { bytes: t, zeros }
    }
}

/// A CRC over bytes that come in pieces.
#[derive(Clone, Copy)]
pub struct Crc32 {
    tables: &'static Tables,
    state: u32,
}

impl Crc32 {
    /// The CRC of nothing.
    pub fn new(tables: &'static Tables) -> Self {
        Crc32 { tables, state: !0 }
    }

    /// Goes on over bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut blocks = bytes.chunks_exact(BLOCK);
        for block in &mut blocks {
            if is_zero(block) {
                let digits = self.tables.zeros.iter().enumerate();
                self.state = digits.fold(0, |crc, (k, table)| crc ^ table[(self.state >> (4 * k) & 15) as usize]);
            } else {
                self.steps(block);
            }
        }
        self.steps(blocks.remainder());
    }

    /// Goes on over bytes, whatever they are.
    fn steps(&mut self, bytes: &[u8]) {
        let look_up = |k: usize, b: u32| self.tables.bytes[k][(b & 0xff) as usize];
        let mut crc = self.state;
        let mut steps = bytes.chunks_exact(STEP);
        for s in &mut steps {
            if let [a, b, c, d, e, f, g, h] = *s {
                let low = crc ^ u32::from_le_bytes([a, b, c, d]);
                let high = u32::from_le_bytes([e, f, g, h]);
                crc = look_up(7, low)
                    ^ look_up(6, low >> 8)
                    ^ look_up(5, low >> 16)
                    ^ look_up(4, low >> 24)
                    ^ look_up(3, high)
                    ^ look_up(2, high >> 8)
                    ^ look_up(1, high >> 16)
                    ^ look_up(0, high >> 24);
            }
        }
        for &b in steps.remainder() {
            crc = crc >> 8 ^ look_up(0, crc ^ u32::from(b));
        }
        self.state = crc;
    }

    /// The CRC of what came.
    pub fn value(self) -> u32 {
        !self.state
    }
}

/// Whether a block is all zeros.
fn is_zero(block: &[u8]) -> bool {
    block.chunks_exact(STEP).all(|s| <[u8; STEP]>::try_from(s).map_or(false, |s| u64::from_le_bytes(s) == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    static ISO: Tables = Tables::new(ISO_3309);
    static CRC32C: Tables = Tables::new(CASTAGNOLI);

    #[test]
    fn check_values() {
        // The check values that go with these CRCs in every list of CRCs.
        for (tables, want) in [(&ISO, 0xcbf4_3926), (&CRC32C, 0xe306_9283)] {
            for cut in 0..=9 {
                let (a, b) = b"123456789".split_at(cut);
                let mut crc = Crc32::new(tables);
                crc.update(a);
                crc.update(b);
                assert_eq!(crc.value(), want, "cut at {cut}");
            }
        }
    }

    #[test]
    fn zeros() {
        // Blocks of zeros, and blocks that are not but for one byte, come to
        // what they come to byte by byte.
        let mut bytes = [0; 5 * BLOCK + 7];
        for odd in [0, 1, 63, 64, 65, 127, 128, 319, 320, 326] {
            bytes[odd] = 0x80;
            for tables in [&ISO, &CRC32C] {
                let (mut whole, mut single) = (Crc32::new(tables), Crc32::new(tables));
                whole.update(b"head");
                whole.update(&bytes);
                b"head".iter().chain(&bytes).for_each(|&b| single.update(&[b]));
                assert_eq!(whole.value(), single.value(), "byte {odd}");
            }
            bytes[odd] = 0;
        }
    }
}
