//! What intents are paid with, and how they are to be confirmed, as requests say it.

use serde_json::{Value, json};

use super::error::Outcome;
use super::form::{Change, Params};
use super::payment_methods::{self, NewCard};
use super::state::State;

/// What `payment_method` and `payment_method_data` say.
#[derive(Debug, Default)]
pub(super) enum Means {
    #[default]
    Unsaid,
    Unset,
    /// An id, or the name of a test card.
    Known(String),
    New(NewCard),
}

impl Means {
    /// Takes them out of the parameters.
    pub(super) fn take(params: &mut Params, now: i64) -> Outcome<Self> {
        let named = params.change("payment_method")?;
        match (params.below("payment_method_data")?, named) {
            (None, Change::Unsaid) => Ok(Self::Unsaid),
            (None, Change::Unset) => Ok(Self::Unset),
            (None, Change::Set(text)) => Ok(Self::Known(text)),
            (Some(_), Change::Unset | Change::Set(_)) => {
                let message = "You may only specify one of these parameters: payment_method, payment_method_data.";
                Err(params.wrong("payment_method_data", Some("parameters_exclusive"), message))
            }
            (Some(mut below), Change::Unsaid) => {
                let new = NewCard::take(&mut below, now)?;
                below.finish()?;
                Ok(Self::New(new))
            }
        }
    }

    /// Refuses a payment method that the customer cannot use.
    pub(super) fn check(&self, state: &State, customer: Option<&str>) -> Outcome<()> {
        match self {
            Self::Known(text) => payment_methods::check(state, text, customer, "payment_method"),
            _ => Ok(()),
        }
    }

    /// Puts the payment method in its place, making it if it is new.
    pub(super) fn put(self, state: &mut State, customer: Option<&str>, place: &mut Option<String>) -> Outcome<()> {
        match self {
            Self::Unsaid => {}
            Self::Unset => *place = None,
            Self::Known(text) => {
                *place = Some(payment_methods::resolve(state, &text, customer, "payment_method")?);
            }
            Self::New(new) => {
                let now = state.now_of(customer);
                *place = Some(payment_methods::make(state, new, now));
            }
        }
        Ok(())
    }
}

/// Takes `payment_method_types` out of the parameters: cards are all that there is.
pub(super) fn check_types(params: &mut Params) -> Outcome<()> {
    let Some(types) = params.list("payment_method_types")? else { return Ok(()) };
    match types.iter().find(|kind| *kind != "card") {
        None => Ok(()),
        Some(kind) => {
            let message = format!("Invalid payment_method_types: this mock plays cards alone, not {kind}");
            Err(params.wrong("payment_method_types", None, message))
        }
    }
}

/// Takes `automatic_payment_methods` out of the parameters.
pub(super) fn take_automatic(params: &mut Params) -> Outcome<Option<Value>> {
    let Some(mut below) = params.below("automatic_payment_methods")? else { return Ok(None) };
    let is_enabled = below.boolean("enabled")?.ok_or_else(|| below.missing("enabled"))?;
    let redirects = below.one_of("allow_redirects", &["always", "never"])?.unwrap_or("always");
    below.finish()?;
    Ok(is_enabled.then(|| json!({ "allow_redirects": redirects, "enabled": true })))
}

/// How an intent is to be confirmed.
#[derive(Debug)]
pub(super) struct Confirmation {
    pub(super) is_off_session: bool,
    pub(super) fails_on_action: bool,
    pub(super) return_url: Option<String>,
}

impl Confirmation {
    /// Takes what says it out of the parameters; and whether anything did.
    pub(super) fn take(params: &mut Params) -> Outcome<(Self, bool)> {
        // Beside true and false there are reasons, of which all mean that the customer is away.
        let reason = params.clone().value("off_session")?;
        let is_off_session = match reason.as_deref() {
            Some("one_off" | "recurring") => params.value("off_session")?.map(|_| true),
            _ => params.boolean("off_session")?,
        };
        let fails_on_action = params.boolean("error_on_requires_action")?;
        let return_url = params.url("return_url")?;
        let says = is_off_session.is_some() || fails_on_action.is_some() || return_url.is_some();
        let (is_off_session, fails_on_action) = (is_off_session.unwrap_or(false), fails_on_action.unwrap_or(false));
        Ok((Self { is_off_session, fails_on_action, return_url }, says))
    }
}
