//! Distributions of times, rates and amounts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use farebox_engine::distribution::{Distribution, Z95, Z99};
use farebox_engine::time::SECOND;
use sha2::{Digest, Sha256};

use super::Lowering;
use crate::scenario::beside;
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::files::Measured;
use crate::scenario::keys::Shape;
use crate::scenario::limit;
use crate::scenario::unit::Unit;
use crate::scenario::value::{Fields, Value};

/// What messages call a file of measured values.
const NOUN: &str = "file";

impl Lowering<'_> {
    /// A distribution of times in ns, of amounts in units, of numbers of calls, or of rates in calls a second.
    pub(super) fn distribution(&mut self, value: &Spanned<Value>) -> Option<Distribution> {
        match &value.value {
            Value::Map(points) => self.drawn(points),
            _ => self.measure(value).map(Distribution::Constant),
        }
    }

    fn measure(&mut self, value: &Spanned<Value>) -> Option<f64> {
        match value.value {
            Value::Duration(span) => Some(span.ns() as f64),
            Value::Quantity(units) => Some(units as f64),
            Value::Rate(rate) => Some(self.calls(&Spanned { span: value.span, value: rate })?.per_second()),
            _ => None,
        }
    }

    fn drawn(&mut self, points: &Fields) -> Option<Distribution> {
        if let Some(p50) = points.value("p50") {
            return self.log_normal(p50, points);
        }
        if let Some(mean) = points.value("exponential") {
            return Some(Distribution::Exponential { mean: self.measure(mean)? });
        }
        if let Some(ends) = points.list("uniform") {
            return self.uniform(ends);
        }
        if let Some(pareto) = points.map("pareto") {
            let min = self.measure(pareto.value("min")?)?;
            return Some(Distribution::Pareto { min, alpha: pareto.number("alpha")? });
        }
        if let Some(gamma) = points.map("gamma") {
            let mean = self.measure(gamma.value("mean")?)?;
            return Some(Distribution::Gamma { shape: gamma.number("shape")?, mean });
        }
        // Rates have no files, and their table no such key.
        points.table.key("file")?;
        let is_time = matches!(points.table.key("p50")?.shape, Shape::One(Unit::Duration(_)));
        self.measured(points.text("file")?, if is_time { SECOND as f64 / 1_000.0 } else { 1.0 })
    }

    fn log_normal(&mut self, p50: &Spanned<Value>, points: &Fields) -> Option<Distribution> {
        let upper = [("p95", Z95), ("p99", Z99)].into_iter().find_map(|(name, z)| Some((name, z, points.value(name)?)));
        let (name, z, upper) = upper?;
        let (median, quantile) = (self.measure(p50)?, self.measure(upper)?);
        if quantile < median {
            let problem = Diagnostic::error(upper.span, format!("the `{name}` is less than the `p50`"));
            let problem = problem.related(p50.span, "the `p50` is here");
            self.problems.push(problem.help("more than half cannot exceed a higher percentile"));
            return None;
        }
        Some(Distribution::log_normal(median, quantile, z))
    }

    fn uniform(&mut self, ends: &[Spanned<Value>]) -> Option<Distribution> {
        let [from, to] = ends else { return None };
        let (least, greatest) = (self.measure(from)?, self.measure(to)?);
        if greatest < least {
            let problem = Diagnostic::error(to.span, "the second end is less than the first");
            self.problems.push(problem.related(from.span, "the first end is here").help("write the lesser end first"));
            return None;
        }
        Some(Distribution::Uniform { from: least, to: greatest })
    }

    // === Measured values ===

    fn measured(&mut self, file: Spanned<&str>, scale: f64) -> Option<Distribution> {
        let folder = self.files.folder();
        let (values, hash) = self.files.measured(file.value, scale, self.problems, |problems| {
            values(folder, file, scale).map_err(|problem| problems.push(problem)).ok()
        })?;
        self.traces.push(hash);
        Some(Distribution::Empirical(values))
    }
}

/// The values of a file, one a line, times `scale`, in order; and the hash of what it holds.
fn values(folder: &Path, file: Spanned<&str>, scale: f64) -> Result<Measured, Diagnostic> {
    let text = read(folder, file)?;
    let hash = Sha256::digest(&text).into();
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_start_matches('\u{feff}').trim()));
    let mut values = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let value = line.parse::<f64>().ok().filter(|value| (0.0..=limit::USAGE as f64).contains(value));
        let Some(value) = value else {
            let message = format!("{}, line {number}: {} is not a number of 0 or more", quote(file.value), quote(line));
            return Err(Diagnostic::error(file.span, message).help("write one number per line, without a heading"));
        };
        values.push(value * scale);
    }
    let complaint = match values.len() {
        0 => "has no values".to_owned(),
        count if count > limit::VALUES => format!("has more than {} values", limit::VALUES),
        _ => {
            values.sort_by(f64::total_cmp);
            return Ok((Arc::from(values), hash));
        }
    };
    Err(Diagnostic::error(file.span, format!("the file {} {complaint}", quote(file.value))))
}

fn read(folder: &Path, file: Spanned<&str>) -> Result<String, Diagnostic> {
    let path = beside::locate(folder, file, NOUN)?;
    let mut text = String::new();
    let opened = File::open(path).and_then(|it| it.take(limit::VALUES_BYTES + 1).read_to_string(&mut text));
    opened.map_err(|error| beside::unreadable(file, NOUN, &error))?;
    if text.len() as u64 > limit::VALUES_BYTES {
        let message = format!("the file {} is larger than {} MiB", quote(file.value), limit::VALUES_BYTES >> 20);
        return Err(Diagnostic::error(file.span, message));
    }
    Ok(text)
}

// === Quantiles ===

/// What one in a hundred exceeds.
pub(super) fn p99(distribution: &Distribution) -> f64 {
    match distribution {
        Distribution::Constant(value) => *value,
        Distribution::LogNormal { mu, sigma } => libm::exp(mu + sigma * Z99),
        Distribution::Exponential { mean } => mean * libm::log(100.0),
        Distribution::Uniform { from, to } => from + 0.99 * (to - from),
        Distribution::Pareto { min, alpha } => min * libm::pow(100.0, 1.0 / alpha),
        Distribution::Gamma { shape, mean } => mean / shape * gamma_p99(*shape),
        Distribution::Empirical(values) => values[(values.len() * 99 / 100).min(values.len() - 1)],
    }
}

/// The quantile of the gamma distribution of scale 1, by bisection of its distribution function.
fn gamma_p99(shape: f64) -> f64 {
    // Markov's and Chebyshev's bounds are far below this for any shape.
    let (mut low, mut high) = (0.0, shape + 20.0 * libm::sqrt(shape) + 20.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if gamma_below(shape, middle) < 0.99 { low = middle } else { high = middle }
    }
    high
}

/// P(X < x), by the power series of the incomplete gamma function (Abramowitz, Stegun: 6.5.29).
fn gamma_below(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
    while term > sum * 1e-15 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum * libm::exp(shape * libm::log(x) - x - libm::lgamma(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_is_beyond_the_p99() {
        // χ² with 1, 2 and 10 degrees of freedom, halved: 6.6349, 9.2103 and 23.2093 in any table.
        for (shape, expected) in [(0.5, 6.634_896_6), (1.0, 9.210_340_4), (5.0, 23.209_251)] {
            assert!((2.0 * gamma_p99(shape) - expected).abs() < 1e-5, "{shape}: {}", 2.0 * gamma_p99(shape));
        }
        let through = Distribution::log_normal(600.0, 8_000.0, Z99);
        assert!((p99(&through) - 8_000.0).abs() < 1e-6);
        assert!((p99(&Distribution::Pareto { min: 2.0, alpha: 2.0 }) - 20.0).abs() < 1e-9);
        assert!(gamma_p99(1_000.0) < 1_100.0 && gamma_p99(0.01) < 1.0);
    }
}
