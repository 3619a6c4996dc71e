//! CRCs of 32 bits with a reflected polynomial, eight bytes a step: byte by
//! byte, those of a vhdx header would take most of its inspection.

/// Polynomial of CRC-32 as in ISO 3309, bits reflected: GPT.
pub const ISO_3309: u32 = 0xedb8_8320;
/// Polynomial of CRC-32C (Castagnoli), bits reflected: VHDX.
pub const CASTAGNOLI: u32 = 0x82f6_3b78;

const STEP: usize = 8;

/// The look-up tables of a polynomial, 8 KiB. A probe keeps them in a static.
pub struct Tables([[u32; 256]; STEP]);

impl Tables {
    /// Computes the tables: entry b of table k is the CRC of byte b with k
    /// zero bytes behind it.
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
        Tables(t)
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
        let look_up = |k: usize, b: u32| self.tables.0[k][(b & 0xff) as usize];
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
}
