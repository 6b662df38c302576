//! Accounts as JSON, and what may be asked for them.

use farebox_engine::billing::account::{Consumer, Status};
use farebox_engine::billing::standing::Standing;
use farebox_engine::model::{Act, Scenario};
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::{SECOND, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::live::amount::{AmountError, decimal, parse};

/// How an account stands. Times are seconds of billing time since the scenario's start.
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
            let asked: Option<Credit> = serde_json::from_slice(body).ok();
            let amount =
                asked.map_or(Err(AmountError::NoAmount), |Credit { amount }| parse(&amount, scenario.currency));
            amount.map(Act::TopUp).map_err(|error| uncharged(error, scenario.currency))
        }
        _ => {
            let asked = serde_json::from_slice(body).ok();
            let to = asked.and_then(|Plan { plan }| scenario.plans.iter().position(|known| known.name == plan));
            to.map(|to| Act::ChangePlan { to }).ok_or_else(|| "send { \"plan\": … }, a plan of the scenario".to_owned())
        }
    }
}

/// Why so much credit cannot be bought, and how much can.
fn uncharged(error: AmountError, currency: Currency) -> String {
    match error {
        AmountError::NoAmount => "send { \"amount\": \"10.00\" }, an amount above 0".to_owned(),
        AmountError::TooFine => {
            let (code, places) = (currency.code, currency.exponent);
            format!("the amount is too fine: what is charged in {code} has {places} decimal places at most")
        }
        AmountError::TooLarge => {
            let most = decimal(Money::from_nanos(i64::MAX), currency);
            format!("the amount is too large: an account holds {most} {} at most", currency.code)
        }
    }
}
