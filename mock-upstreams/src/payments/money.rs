//! Amounts: whole numbers of a currency's smallest unit.

use super::error::Outcome;
use super::form::Params;

/// The currencies that Stripe's API takes.
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd \
    cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf \
    idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk \
    mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos \
    srd std svc szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw";
/// Those without a smaller unit.
const WHOLE: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Those with a thousand smaller units.
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// The least that can be charged (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>), in the smallest
/// unit; of the others, 1.
const LEAST: [(&str, i64); 24] = [
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
];
/// The most: eight digits.
const MOST: i64 = 99_999_999;

/// Takes `currency` out of the parameters.
pub(super) fn take_currency(params: &mut Params) -> Outcome<Option<String>> {
    let Some(text) = params.value("currency")? else { return Ok(None) };
    let currency = text.to_ascii_lowercase();
    if CURRENCIES.split_ascii_whitespace().any(|known| known == currency) {
        return Ok(Some(currency));
    }
    Err(params.wrong(
        "currency",
        None,
        format!("Invalid currency: {text}. It has to be a code of ISO 4217, such as usd."),
    ))
}

/// Takes a whole number of at least 1 out of the parameters.
pub(super) fn take_positive(params: &mut Params, field: &str) -> Outcome<Option<i64>> {
    let amount = params.integer(field)?;
    if amount.is_some_and(|amount| amount < 1) {
        let message = "This value must be greater than or equal to 1.";
        return Err(params.wrong(field, Some("parameter_invalid_integer"), message));
    }
    Ok(amount)
}

/// Refuses what is too little or too much for one payment.
pub(super) fn check(params: &Params, amount: i64, currency: &str) -> Outcome<()> {
    let least = LEAST.iter().find(|(known, _)| *known == currency).map_or(1, |(_, least)| *least);
    if amount < least {
        let message = format!("Amount must be at least {}", shown(least, currency));
        return Err(params.wrong("amount", Some("amount_too_small"), message));
    }
    if amount > MOST {
        let message = format!("Amount must be no more than {}", shown(MOST, currency));
        return Err(params.wrong("amount", Some("amount_too_large"), message));
    }
    Ok(())
}

/// An amount for people.
pub(super) fn shown(amount: i64, currency: &str) -> String {
    let (unit, digits) = match currency {
        _ if WHOLE.contains(&currency) => (1, 0),
        _ if THOUSANDTHS.contains(&currency) => (1_000, 3),
        _ => (100, 2),
    };
    let number = match digits {
        0 => amount.to_string(),
        _ => format!("{}.{:0digits$}", amount / unit, amount % unit),
    };
    if currency == "usd" { format!("${number}") } else { format!("{number} {}", currency.to_ascii_uppercase()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_units_of_their_currency() {
        let cases =
            [(1_000, "usd", "$10.00"), (5, "eur", "0.05 EUR"), (500, "jpy", "500 JPY"), (1_050, "kwd", "1.050 KWD")];
        for (amount, currency, expected) in cases {
            assert_eq!(shown(amount, currency), expected);
        }
    }

    #[test]
    fn every_listed_currency_is_known() {
        let known = |currency: &str| CURRENCIES.split_ascii_whitespace().any(|known| known == currency);
        let listed = WHOLE.iter().chain(&THOUSANDTHS).chain(LEAST.iter().map(|(currency, _)| currency));
        assert!(listed.copied().all(known));
    }
}
