//! What must hold for a run to pass: a measure of what happened, to whom, beside a line.

/// A threshold of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// As the file has it.
    pub text: String,
    /// What is measured.
    pub measure: Measure,
    /// Of what.
    pub selector: Selector,
    /// How it must compare with the line.
    pub comparison: Comparison,
    /// The line, in the measure's unit.
    pub line: Line,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Calls by how their last attempt ended, or their share of all calls that the same consumers made for the same routes.
    Calls(Number),
    /// Attempts that were made, or their share of all that the same consumers made for the same routes.
    Attempts(Number),
    /// Attempts that the gateway refused.
    Refusals(Number),
    /// Attempts that failed behind the gateway.
    Failures(Number),
    /// Attempts that were refused and should have been served.
    FalseRefusals(Wrongly),
    /// Attempts that were let through and should have been refused.
    Leaks(Wrongly),
    /// How long answers took, in ns.
    Latency(Statistic),
    /// How long the first token of answers that were streamed took, in ns.
    FirstToken(Statistic),
    /// A figure of the money by its name, in nanos.
    Revenue(&'static str),
    /// How collecting went.
    Dunning(Collected),
    /// From an invoice's first failed attempt until it was paid, in ns; quantiles in whole days.
    TimeToRecovery(Statistic),
    /// From paying for what was refused until a call was served, in ns.
    FirstSuccess(Statistic),
    /// Consumers that paid for what they were refused, and were not served any more.
    NotBack,
    /// How accounts have heard of their payments by webhook.
    Webhooks(ByWebhook),
    /// From what happened at the processor until an account has heard of it, in ns.
    TimeToHear(Statistic),
    /// What calls would have used whose last attempt was refused for money or by a limit.
    RefusedDemand(Demanded),
    /// Consumers that left by themselves, or their share of those who were there.
    Churn(Number),
    /// Whether the ledger sums to zero; the line is 1.
    Balanced,
}

/// Of what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// How many.
    Count,
    /// Which share.
    Rate,
}

/// Of answers that were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrongly {
    /// How many.
    Count,
    /// Which share of all attempts.
    Rate,
    /// What they come to, in nanos.
    Value,
}

/// Of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The largest.
    Max,
    /// The quantile of so many thousandths.
    Quantile(u16),
}

/// Of collecting payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// Attempts to collect.
    Attempts,
    /// Attempts that were declined.
    Declined,
    /// The share that was paid after a failed attempt, of what was or whose dunning ended without payment.
    Recovered,
    /// Dunning runs that ended without payment.
    Exhausted,
    /// Subscriptions that were canceled because of that.
    Churned,
    /// Consumers that were refused because an invoice was unpaid.
    Blocked,
    /// For how many days, all together.
    DaysBlocked,
}

/// Of what is told by webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByWebhook {
    /// Deliveries.
    Deliveries,
    /// Deliveries of what had been heard before.
    Duplicates,
    /// Events that were heard of because the processor was asked.
    Reconciled,
    /// Events that were not heard of before the end.
    Unheard,
    /// How long accounts were refused that had paid, in ns, all together.
    WronglyBlocked,
    /// How long accounts were served that had not, in ns, all together.
    WronglyServed,
}

/// Of refused demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demanded {
    /// At list prices, in nanos.
    Value,
    /// The units that have no list price.
    Unpriced,
}

/// Labels that narrow a measure; what is left out is not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The cohort's name.
    pub cohort: Option<String>,
    /// The name of the plan that the cohort is on.
    pub plan: Option<String>,
    /// The paths of routes.
    pub routes: Option<Vec<String>>,
    /// The upstream whose failures alone are meant; [`Self::routes`] are those whose calls come to it.
    pub upstream: Option<String>,
    /// The HTTP status that the gateway answered with.
    pub status: Option<u16>,
    /// The name of the cause.
    pub cause: Option<&'static str>,
    /// The name of the cause's kind.
    pub kind: Option<&'static str>,
    /// What became of it.
    pub outcome: Option<Became>,
}

/// What became of an attempt, or with its last one of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// Answered by the upstream.
    Served,
    /// Answered by the gateway.
    Refused,
    /// Gone wrong behind the gateway.
    Failed,
    /// Of a call: served by a further attempt.
    Recovered,
    /// Of a call: its last attempt was refused or failed.
    Abandoned,
}

/// How a value must compare with its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Other,
}

/// A number that is compared with, exact: `parts` ÷ `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The numerator.
    pub parts: i64,
    /// The denominator, at least 1.
    pub of: u64,
}

impl Became {
    /// All that an attempt can become.
    pub const OF_ATTEMPTS: [Self; 3] = [Self::Served, Self::Refused, Self::Failed];

    /// All that a call can become.
    pub const OF_CALLS: [Self; 5] = [Self::Served, Self::Refused, Self::Failed, Self::Recovered, Self::Abandoned];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Comparison {
    /// As scenarios write it.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::Other => "!=",
        }
    }

    /// Whether a value that stands so to the line holds.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::Other => order.is_ne(),
        }
    }
}
