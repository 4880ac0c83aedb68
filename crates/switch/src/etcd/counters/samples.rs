//! Samples by their size, between two collections.

use parking_lot::Mutex;

/// Samples, by upper bounds. Drained ones are forgotten.
#[derive(Debug)]
pub struct Samples {
    bounds: &'static [f64],
    /// How many there are, and their sum; one bucket more than there are bounds.
    buckets: Mutex<Vec<(usize, f64)>>,
}

impl Samples {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: Mutex::new(vec![(0, 0.0); bounds.len() + 1]) }
    }

    pub(super) fn add(&self, sample: f64) {
        let at = self.bounds.partition_point(|bound| *bound < sample);
        let (count, sum) = &mut self.buckets.lock()[at];
        (*count, *sum) = (*count + 1, *sum + sample);
    }

    /// Takes the samples since the last call: of each bucket the mean and how many there are.
    pub fn drain(&self) -> Vec<(f64, usize)> {
        let mut buckets = self.buckets.lock();
        let taken = buckets.iter_mut().filter(|(count, _)| *count > 0).map(std::mem::take);
        taken.map(|(count, sum)| (sum / count as f64, count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_drained_by_bucket() {
        let samples = Samples::new(&[1.0, 4.0]);
        [1.0, 2.0, 3.0, 9.0].into_iter().for_each(|sample| samples.add(sample));
        assert_eq!(samples.drain(), [(1.0, 1), (2.5, 2), (9.0, 1)]);
        assert_eq!(samples.drain(), []);
    }
}
