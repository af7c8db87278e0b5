//! Random numbers that a seed makes again.

/// splitmix64
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// The seed of this run, printed: the one in `SEED`, or another each time.
pub fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| std::process::id().into(), |text| text.parse().unwrap());
    println!("SEED={seed}");
    seed
}
