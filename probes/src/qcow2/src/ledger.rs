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

    /// Adds a reference to each cluster that holds one of some bytes.
    pub fn add_range(&mut self, header: &Header, offset: u64, bytes: u64) {
        let first = offset >> header.cluster_bits;
        let end = header.clusters(offset.saturating_add(bytes));
        for cluster in first..end {
            self.add(cluster, 1);
        }
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
    fn extremes() {
        let l = ledger(&[(u64::MAX, u64::MAX), (u64::MAX, u64::MAX)]);
        assert_eq!(l.count, u64::MAX);
    }
}
