//! Customers: who pays.

use serde_json::{Value, json};

use super::call::Call;
use super::contact::{self, Metadata};
use super::error::{ApiError, Outcome};
use super::form::{Change, MetadataChange, Params};
use super::list::Page;
use super::payment_methods;
use super::table::Object;

/// A customer. Once deleted, only its id is told.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    id: String,
    created: i64,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    description: Option<String>,
    address: Value,
    metadata: Metadata,
    pub(super) default_method: Option<String>,
    pub(super) test_clock: Option<String>,
    pub(super) is_deleted: bool,
}

impl Object for Customer {
    const NAME: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn is_hidden(&self) -> bool {
        self.is_deleted
    }

    fn render(&self) -> Value {
        if self.is_deleted {
            return json!({ "id": self.id, "object": Self::NAME, "deleted": true });
        }
        json!({
            "id": self.id,
            "object": Self::NAME,
            "address": self.address,
            "balance": 0,
            "created": self.created,
            "currency": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.default_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata.render(),
            "name": self.name,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": self.test_clock,
        })
    }
}

/// What a request may say of a customer.
#[derive(Debug, Default)]
struct Said {
    name: Change,
    email: Change,
    phone: Change,
    description: Change,
    address: Option<Value>,
    metadata: Option<MetadataChange>,
    default_method: Change,
}

impl Said {
    fn take(params: &mut Params) -> Outcome<Self> {
        let default_method = match params.below("invoice_settings")? {
            None => Change::Unsaid,
            Some(mut below) => {
                let method = below.change("default_payment_method")?;
                below.finish()?;
                method
            }
        };
        Ok(Self {
            name: params.change("name")?,
            email: params.change("email")?,
            phone: params.change("phone")?,
            description: params.change("description")?,
            address: contact::address(params)?,
            metadata: params.metadata()?,
            default_method,
        })
    }

    fn apply(self, customer: &mut Customer) -> Outcome<()> {
        customer.metadata.apply(self.metadata)?;
        self.name.put(&mut customer.name);
        self.email.put(&mut customer.email);
        self.phone.put(&mut customer.phone);
        self.description.put(&mut customer.description);
        self.default_method.put(&mut customer.default_method);
        customer.address = self.address.unwrap_or_else(|| customer.address.take());
        Ok(())
    }
}

/// The customer that a parameter names, as long as it has not been deleted.
pub(super) fn meant<'c>(call: &'c Call<'_>, id: &str, param: &str) -> Outcome<&'c Customer> {
    let customer = call.state.customers.meant(id, param)?;
    if customer.is_deleted { Err(ApiError::missing(Customer::LABEL, id, param, false)) } else { Ok(customer) }
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let said = Said::take(&mut call.params)?;
    let (method, clock) = (call.params.value("payment_method")?, call.params.value("test_clock")?);
    call.params.finish()?;
    // A payment method that has a name is made as well.
    call.state.room(2)?;
    let created = match &clock {
        Some(clock) => call.state.clocks.meant(clock, "test_clock")?.frozen_time,
        None => call.state.clock.now(),
    };
    let mut customer = Customer {
        id: call.state.ids.next("cus_", 14),
        created,
        name: None,
        email: None,
        phone: None,
        description: None,
        address: Value::Null,
        metadata: Metadata::default(),
        default_method: None,
        test_clock: clock,
        is_deleted: false,
    };
    check_default(call, &said.default_method, method.as_deref(), None)?;
    said.apply(&mut customer)?;
    // A card that cannot be attached leaves no customer behind.
    if let Some(method) = &method {
        payment_methods::check_attaching(call.state, method, &customer.id, created, "payment_method")?;
    }
    let (id, told) = (customer.id.clone(), customer.render());
    call.state.customers.insert(customer);
    call.state.emit("customer.created", created, told);
    if let Some(method) = method {
        payment_methods::attach_to(call.state, &method, &id, "payment_method")?;
    }
    call.state.customers.at(&id).map(Object::render)
}

/// The default payment method must be the customer's own.
fn check_default(call: &Call<'_>, default: &Change, attached: Option<&str>, customer: Option<&str>) -> Outcome<()> {
    let Change::Set(id) = default else { return Ok(()) };
    let param = "invoice_settings[default_payment_method]";
    let method = call.state.methods.meant(id, param)?;
    let is_own = method.customer.is_some() && method.customer.as_deref() == customer;
    if is_own || attached == Some(id) {
        return Ok(());
    }
    let message = format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
    );
    Err(ApiError::refused(Some("resource_missing"), message).about(param))
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let said = Said::take(&mut call.params)?;
    call.params.finish()?;
    let id = call.id;
    living(call)?;
    check_default(call, &said.default_method, None, Some(id))?;
    let mut customer = call.state.customers.at(id)?.clone();
    let before = customer.render();
    said.apply(&mut customer)?;
    let now = call.state.now_of(Some(id));
    let after = customer.render();
    *call.state.customers.at_mut(id)? = customer;
    let changed = changes(&before, &after);
    call.state.emit_changed("customer.updated", now, after.clone(), Some(changed));
    Ok(after)
}

/// What was at the properties that are no more the same.
fn changes(before: &Value, after: &Value) -> Value {
    let fields = before.as_object().into_iter().flatten();
    let changed = fields.filter(|(name, value)| after[name.as_str()] != **value);
    changed.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

fn living(call: &Call<'_>) -> Outcome<()> {
    let customer = call.state.customers.at(call.id)?;
    if customer.is_deleted { Err(ApiError::missing(Customer::LABEL, call.id, "id", true)) } else { Ok(()) }
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.customers.at(call.id).map(Object::render)
}

pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    living(call)?;
    let now = call.state.now_of(Some(call.id));
    let whole = call.state.customers.at(call.id)?.render();
    for method in call.state.methods.values_mut().filter(|method| method.customer.as_deref() == Some(call.id)) {
        method.customer = None;
        method.is_spent = true;
    }
    let customer = call.state.customers.at_mut(call.id)?;
    customer.is_deleted = true;
    let stub = customer.render();
    call.state.emit("customer.deleted", now, whole);
    Ok(stub)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let (email, clock) = (call.params.value("email")?, call.params.value("test_clock")?);
    call.params.finish()?;
    page.of(&call.state.customers, call.path, |customer| {
        email.as_ref().is_none_or(|email| customer.email.as_ref() == Some(email))
            && clock.as_ref().is_none_or(|clock| customer.test_clock.as_ref() == Some(clock))
    })
}
