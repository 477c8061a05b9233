//! When a delivery is tried again.

use std::time::Duration;

use rand::Rng;

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3 * 3600);

/// Trebles with each attempt up to three hours: about fifteen attempts in a day. Half of it is left to chance, so that
/// what failed together does not come back together.
pub fn pause_after(attempts: i32) -> Duration {
    let trebles = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(12);
    let longest = (FIRST_PAUSE * 3_u32.pow(trebles)).min(LONGEST_PAUSE);
    rand::rng().random_range(longest / 2..=longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_three_hours() {
        for (attempts, longest) in [(i32::MIN, 5), (1, 5), (2, 15), (3, 45), (7, 3645), (8, 10_800), (i32::MAX, 10_800)]
        {
            let longest = Duration::from_secs(longest);
            let pause = pause_after(attempts);
            assert!((longest / 2..=longest).contains(&pause), "{attempts}: {pause:?}");
        }
    }
}
