//! What of a cohort is summed over its consumers, with the squares: enough for a standard error of a count, of an amount
//! and of a ratio of two counts (the delta method), and nothing more. Integers, so that the order of the work changes no
//! digit.

/// Sums over consumers. Money is in thousands of nanos here: whole nanos squared could leave 128 bits, and a minor unit
/// would round small charges away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// Σ of what each earned, in thousands of nanos.
    pub earned: i128,
    /// Σ of its square.
    pub earned_squares: i128,
    /// Σ of the square of the attempts that each made; Σ of the attempts themselves is counted elsewhere.
    pub offered_squares: i128,
    /// Σ of the square of those that were refused.
    pub refused_squares: i128,
    /// Σ of their product.
    pub offered_refused: i128,
    /// Σ of the square of the calls that each made.
    pub calls_squares: i128,
    /// Σ of the square of those whose last attempt was refused.
    pub calls_refused_squares: i128,
    /// Σ of their product.
    pub calls_calls_refused: i128,
}

/// What was seen of one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Attempts made.
    pub offered: u64,
    /// Those refused, for whatever cause.
    pub refused: u64,
    /// Calls made, each with one attempt or more.
    pub calls: u64,
    /// Those whose last attempt was refused.
    pub calls_refused: u64,
    /// What was earned, in nanos.
    pub earned: i128,
}

/// How many nanos the unit of [`Moments::earned`] has.
pub const UNIT: i128 = 1_000;

impl Moments {
    /// With one consumer more; `None` when a sum leaves the range.
    #[must_use]
    pub fn with(self, seen: Seen) -> Option<Self> {
        let earned = (seen.earned + UNIT / 2).div_euclid(UNIT);
        let (offered, refused) = (i128::from(seen.offered), i128::from(seen.refused));
        let (calls, calls_refused) = (i128::from(seen.calls), i128::from(seen.calls_refused));
        self.plus(Self {
            earned,
            earned_squares: earned.checked_mul(earned)?,
            offered_squares: offered.checked_mul(offered)?,
            refused_squares: refused.checked_mul(refused)?,
            offered_refused: offered.checked_mul(refused)?,
            calls_squares: calls.checked_mul(calls)?,
            calls_refused_squares: calls_refused.checked_mul(calls_refused)?,
            calls_calls_refused: calls.checked_mul(calls_refused)?,
        })
    }

    /// The sums over the consumers of both; `None` when one leaves the range. All but the first only grow, so whether they
    /// do does not depend on the order.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            earned: self.earned.checked_add(other.earned)?,
            earned_squares: self.earned_squares.checked_add(other.earned_squares)?,
            offered_squares: self.offered_squares.checked_add(other.offered_squares)?,
            refused_squares: self.refused_squares.checked_add(other.refused_squares)?,
            offered_refused: self.offered_refused.checked_add(other.offered_refused)?,
            calls_squares: self.calls_squares.checked_add(other.calls_squares)?,
            calls_refused_squares: self.calls_refused_squares.checked_add(other.calls_refused_squares)?,
            calls_calls_refused: self.calls_calls_refused.checked_add(other.calls_calls_refused)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_consumers_are_those_of_the_whole_however_they_are_cut() {
        let seen = [(3, 1, 2, 0, 1_499), (0, 0, 0, 0, -2_500), (7, 7, 5, 4, 5_000_000)];
        let seen = seen.map(|(offered, refused, calls, calls_refused, earned)| Seen {
            offered,
            refused,
            calls,
            calls_refused,
            earned,
        });
        let sum = |seen: &[Seen]| seen.iter().try_fold(Moments::default(), |sum, one| sum.with(*one)).unwrap();
        let whole = sum(&seen);
        assert_eq!(whole, sum(&seen[..1]).plus(sum(&seen[1..])).unwrap());
        let expected = Moments {
            earned: 1 - 2 + 5_000,
            earned_squares: 1 + 4 + 25_000_000,
            offered_squares: 9 + 49,
            refused_squares: 1 + 49,
            offered_refused: 3 + 49,
            calls_squares: 4 + 25,
            calls_refused_squares: 16,
            calls_calls_refused: 20,
        };
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_sum_past_the_range_is_none() {
        let rich = Seen { offered: 0, refused: 0, calls: 0, calls_refused: 0, earned: i128::MAX / 2 };
        assert_eq!(Moments::default().with(rich), None);
    }
}
