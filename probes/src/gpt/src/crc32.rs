//! CRC-32 as the UEFI specification uses it (ISO 3309, reflected polynomial
//! EDB88320), eight bytes a step.

const POLYNOMIAL: u32 = 0xedb8_8320;
const STEP: usize = 8;

/// TABLES[k][b] is the CRC of byte b with k zero bytes behind it.
static TABLES: [[u32; 256]; STEP] = tables();

const fn tables() -> [[u32; 256]; STEP] {
    let mut t = [[0; 256]; STEP];
    let mut b = 0;
    while b < 256 {
        let mut crc = b as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
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
    t
}

/// A CRC over bytes that come in pieces.
#[derive(Clone, Copy)]
pub struct Crc32(u32);

impl Crc32 {
    /// The CRC of nothing.
    pub fn new() -> Self {
        Crc32(!0)
    }

    /// Goes on over bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let look_up = |k: usize, b: u32| TABLES[k][(b & 0xff) as usize];
        let mut crc = self.0;
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
        self.0 = crc;
    }

    /// The CRC of what came.
    pub fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc32;

    #[test]
    fn check_value() {
        // The check value that goes with this CRC in every list of CRCs.
        for cut in 0..=9 {
            let (a, b) = b"123456789".split_at(cut);
            let mut crc = Crc32::new();
            crc.update(a);
            crc.update(b);
            assert_eq!(crc.value(), 0xcbf4_3926, "cut at {cut}");
        }
    }
}
