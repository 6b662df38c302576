//! The units of the scenario language on the command line: `--rate 2k/s` means what `rate: 2k/s` does in a file.

use farebox_engine::time::Span;

use super::unit::{Complaint, Least, Unit, unplayable};
use super::value::Value;

/// Calls a second of a text such as `2k/s`; else what is wrong with it and what to write.
pub fn rate_per_s(text: &str) -> Result<f64, String> {
    match Unit::Rate.parse(text, None).map_err(in_one_line)? {
        Value::Rate(rate) => match unplayable(rate) {
            Some((message, help)) => Err(format!("{message}; {help}")),
            None => Ok(rate.per_second()),
        },
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

/// The length of a text such as `10s`, which is not zero; else what is wrong with it and what to write.
pub fn duration(text: &str) -> Result<Span, String> {
    match Unit::Duration(Least::AboveZero).parse(text, None).map_err(in_one_line)? {
        Value::Duration(span) => Ok(span),
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

fn in_one_line(complaint: Complaint) -> String {
    let Complaint { message, help } = complaint;
    format!("{message}; {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_reads_as_the_key_does() {
        assert_eq!(rate_per_s("2.5k/s"), Ok(2_500.0));
        assert_eq!(duration("90s"), Ok(Span::from_secs(90)));
        for wrong in [
            rate_per_s("0/s").err(),
            rate_per_s("fast").err(),
            rate_per_s("2M/s").err(),
            duration("0s").err(),
            duration("10M").err(),
        ] {
            assert!(wrong.is_some_and(|complaint| !complaint.is_empty()));
        }
    }
}
