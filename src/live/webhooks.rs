//! Webhooks of the payment processor, as the gateway receives them: whether one is from the processor, and what it tells.
//!
//! Anybody can send something to the address that they come to, so nothing in one is believed before its signature is
//! verified. What has become of a payment is then sorted by the engine's inbox, which knows of repetitions and of order.
//! What is lost on the way is not waited for: the [collector](super::collector) asks the processor for it.

pub mod notice;
pub mod receiver;
pub mod signature;
