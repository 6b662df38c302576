//! Accounts as JSON, and what may be asked for them.

use farebox_engine::billing::account::{Consumer, Status};
use farebox_engine::billing::standing::Standing;
use farebox_engine::model::{Act, Scenario};
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::{SECOND, Time};
use serde::Deserialize;
use serde_json::{Value, json};

/// How an account stands. Amounts are decimal numbers of the major unit in strings, for no float holds them all; times
/// are seconds of billing time since the scenario's start.
pub(super) fn document(scenario: &Scenario, consumer: Consumer, status: Status, standing: &Standing) -> Value {
    let amount = |money: Money| Value::String(decimal(money, scenario.currency));
    let plan = |index: usize| &scenario.plans[index].name;
    let seconds = |time: Time| (time != Time::NEVER).then(|| time.ns().div_euclid(SECOND as i64));
    let allowances = standing.allowances.iter().map(
        |(meter, included, left)| json!({ "meter": scenario.meters[*meter].name, "included": included, "left": left }),
    );
    let limits = standing.limits.iter().map(|margin| {
        let wait_ms = margin.min(&0).unsigned_abs().div_ceil(1_000_000);
        json!({ "passes": *margin >= 0, "wait_ms": wait_ms })
    });
    json!({
        "cohort": scenario.cohorts[consumer.cohort as usize].name,
        "index": consumer.index,
        "status": status.name(),
        "plan": plan(standing.plan),
        "next_plan": standing.next_plan.map(plan),
        "has_payment_method": standing.has_card,
        "currency": scenario.currency.code,
        "credit": amount(standing.credit),
        "spent": amount(standing.spent),
        "spend_cap": standing.spend_cap.map(amount),
        "due": amount(standing.due),
        "period": { "begins_s": seconds(standing.period_begins), "ends_s": seconds(standing.period_ends) },
        "allowances": allowances.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "calls_in_flight": standing.open_holds,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credit {
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    plan: String,
}

/// What a request with this body asks for; else what to send.
pub(super) fn asked(what: &str, body: &[u8], scenario: &Scenario) -> Result<Act, String> {
    match what {
        "card" => match body.trim_ascii() {
            b"" | b"{}" => Ok(Act::FixCard),
            _ => Err("a new card needs no body".to_owned()),
        },
        "credit" => {
            let asked = serde_json::from_slice(body).ok();
            let amount = asked.and_then(|Credit { amount }| parse(&amount, scenario.currency));
            amount.map(Act::TopUp).ok_or_else(|| "send { \"amount\": \"10.00\" }, an amount above 0".to_owned())
        }
        _ => {
            let asked = serde_json::from_slice(body).ok();
            let to = asked.and_then(|Plan { plan }| scenario.plans.iter().position(|known| known.name == plan));
            to.map(|to| Act::ChangePlan { to }).ok_or_else(|| "send { \"plan\": … }, a plan of the scenario".to_owned())
        }
    }
}

/// `12.50`: as many places as the minor unit has, or as the amount needs.
fn decimal(money: Money, currency: Currency) -> String {
    let (units, scale) = (money.nanos().unsigned_abs(), currency.scale.unsigned_abs());
    let digits = format!("{:0width$}", units % scale, width = scale.ilog10() as usize);
    let places = digits.trim_end_matches('0').len().max(usize::from(currency.exponent));
    let (minus, point) = (if money < Money::ZERO { "-" } else { "" }, if places > 0 { "." } else { "" });
    format!("{minus}{}{point}{}", units / scale, &digits[..places])
}

/// An amount above zero: digits, and after a point no more of them than the currency is counted in.
fn parse(text: &str, currency: Currency) -> Option<Money> {
    let (major, minor) = text.split_once('.').map_or((text, "0"), |(major, minor)| (major, minor));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let places = currency.scale.ilog10() as usize;
    if !are_digits(major) || !are_digits(minor) || minor.len() > places {
        return None;
    }
    let (major, minor): (i64, i64) = (major.parse().ok()?, format!("{minor:0<places$}").parse().ok()?);
    let units = major.checked_mul(currency.scale)?.checked_add(minor)?;
    (units > 0).then_some(Money::from_nanos(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let currency = |code| Currency::from_code(code).expect("a known currency");
        for (code, text, units) in [
            ("USD", "10.00", 10_000_000_000),
            ("USD", "0.000000001", 1),
            ("USD", "1234.5678", 1_234_567_800_000),
            ("JPY", "1200", 1_200_000_000),
            ("KWD", "2.500", 2_500_000_000),
        ] {
            assert_eq!(parse(text, currency(code)), Some(Money::from_nanos(units)), "{text}");
            assert_eq!(decimal(Money::from_nanos(units), currency(code)), text);
        }
        assert_eq!(decimal(Money::from_nanos(-37_500_000), currency("USD")), "-0.0375");
        assert_eq!(parse("7", currency("USD")), Some(Money::from_nanos(7_000_000_000)));
        for wrong in ["", "0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1,000", "$1", "0.0000000001", "9223372037", " 1"]
        {
            assert_eq!(parse(wrong, currency("USD")), None, "{wrong}");
        }
    }
}
