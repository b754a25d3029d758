//! Numbers that look random, and are the same ones for the same seed. Nothing that must not be guessed depends on them.

/// A linear congruential generator (Knuth, TAOCP 2, §3.3.4).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0
    }

    /// A number of 31 bits; the lower ones of the state repeat too soon.
    pub const fn throw(&mut self) -> u64 {
        self.step() >> 33
    }

    /// A share of 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.step() >> 40) as f64 / (1u64 << 24) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_spread_evenly() {
        let mut dice = Dice::new(7);
        let shares: Vec<f64> = (0..10_000).map(|_| dice.share()).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        for tenth in 0..10 {
            let within = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
            let count = shares.iter().filter(|share| within.contains(share)).count();
            assert!((900..1100).contains(&count), "{tenth}: {count}");
        }
        assert_eq!(Dice::new(7).throw(), Dice::new(7).throw());
    }
}
