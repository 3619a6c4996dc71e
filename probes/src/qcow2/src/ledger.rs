//! Who uses which cluster, as a sum.
//!
//! Refcounts say how often each cluster is used, mapping tables who uses
//! them. To compare the two cluster by cluster takes a refcount for every
//! mapped cluster, in the order the guest wrote them: reads and memory without
//! bound. Their sums take one pass over each and no memory: the number of
//! references, and as a check on which clusters they are, the sum of the
//! squares of their numbers.
//!
//! Clusters that nothing uses and that have a refcount are leaked space, which
//! a crash leaves behind and no reader minds. So more refcounts than
//! references are no defect; fewer, or as many for other clusters, are.

use crate::header::Header;

#[derive(Clone, Copy, Default, PartialEq)]
pub struct Ledger {
    /// References, saturating.
    pub count: u64,
    /// Sum of reference * cluster^2, wrapping.
    check: u64,
}

impl Ledger {
    /// Adds references to one cluster, by its number.
    pub fn add(&mut self, cluster: u64, references: u64) {
        self.count = self.count.saturating_add(references);
        self.check = self.check.wrapping_add(references.wrapping_mul(cluster.wrapping_mul(cluster)));
    }

    /// Adds a reference to each of `n` clusters in a row; `n` is below 2^63.
    pub fn add_run(&mut self, first: u64, n: u64) {
        if n == 0 {
            return;
        }
        // The squares of 0 to n-1 add up to (n-1) n (2n-1) / 6, where two of
        // the factors hold the 2 and the 3: divided there, and not behind the
        // product, nothing that wraps is lost.
        let (mut a, mut b, mut c) = (n - 1, n, n.wrapping_mul(2).wrapping_sub(1));
        if a % 2 == 0 {
            a /= 2;
        } else {
            b /= 2;
        }
        let sum = a.wrapping_mul(b); // of 0 to n-1
        if a % 3 == 0 {
            a /= 3;
        } else if b % 3 == 0 {
            b /= 3;
        } else {
            c /= 3;
        }
        let squares = a.wrapping_mul(b).wrapping_mul(c);
        // (first + i)^2 for each i.
        let all = n.wrapping_mul(first).wrapping_add(sum.wrapping_mul(2)).wrapping_mul(first).wrapping_add(squares);
        self.count = self.count.saturating_add(n);
        self.check = self.check.wrapping_add(all);
    }

    /// Adds a reference to each cluster that holds one of some bytes.
    pub fn add_range(&mut self, header: &Header, offset: u64, bytes: u64) {
        let first = offset >> header.cluster_bits;
        let end = header.clusters(offset.saturating_add(bytes));
        self.add_run(first, end.saturating_sub(first));
    }

    /// Whether counts cover these uses.
    pub fn covered_by(&self, counts: &Ledger) -> bool {
        counts.count > self.count || counts == self
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    fn ledger(references: &[(u64, u64)]) -> Ledger {
        let mut l = Ledger::default();
        for &(cluster, n) in references {
            l.add(cluster, n);
        }
        l
    }

    #[test]
    fn covered() {
        let used = ledger(&[(0, 1), (5, 1), (2, 2), (5, 1)]);
        assert!(used.covered_by(&ledger(&[(0, 1), (2, 2), (5, 2)])));
        assert!(used.covered_by(&ledger(&[(0, 1), (2, 2), (5, 2), (9, 1)])), "leaked cluster");
        assert!(!used.covered_by(&ledger(&[(0, 1), (2, 2), (5, 1)])), "too low");
        assert!(!used.covered_by(&ledger(&[(0, 1), (2, 2), (6, 2)])), "another cluster");
        assert!(!used.covered_by(&ledger(&[])));
    }

    #[test]
    fn runs() {
        for first in [0, 1, 7, 1 << 31, (1 << 54) + 3, u64::MAX - 5, u64::MAX] {
            let mut one_by_one = Ledger::default();
            for n in 0..100 {
                let mut run = Ledger::default();
                run.add_run(first, n);
                assert!(run == one_by_one, "{n} from {first}");
                one_by_one.add(first.wrapping_add(n), 1);
            }
        }
        // Where the products wrap, halves add up to the whole.
        for n in [1 << 22, (1 << 40) + 2, (1 << 54) + 4, (1 << 63) - 2] {
            let (mut whole, mut halves) = (Ledger::default(), Ledger::default());
            whole.add_run(5, n);
            halves.add_run(5, n / 2);
            halves.add_run(5 + n / 2, n / 2);
            assert!(whole == halves, "{n}");
        }
    }

    #[test]
    fn extremes() {
        let l = ledger(&[(u64::MAX, u64::MAX), (u64::MAX, u64::MAX)]);
        assert_eq!(l.count, u64::MAX);
    }
}
