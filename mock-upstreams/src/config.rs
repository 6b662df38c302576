//! Services from a file: YAML, with one entry for each by its name.
//!
//! ```
//! use mock_upstreams::Config;
//!
//! let config = Config::parse(
//!     "services:
//!        search: { latency: { p50: 30ms, p99: 250ms }, capacity: 4, calls: [ranker] }
//!        ranker: { latency: 8ms, errors: { 402: 1% }, faults: { stall: 0.1% } }
//!        model: { chat: { first_token: 300ms, tokens_per_second: 40 } }",
//! )?;
//! assert_eq!(config.services["search"].calls, ["ranker"]);
//! # Ok::<(), mock_upstreams::ConfigError>(())
//! ```
//!
//! Values are written as the flags of the binary have them; where a flag takes `a=1,b=2`, a map `{ a: 1, b: 2 }` says the
//! same.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use self::node::{Node, Place, Value};
use crate::calls::{Wrong, check};
use crate::chat::{ChatSpec, Tokens};
use crate::command::is_name;
use crate::endpoint::RESERVED;
use crate::service::{DEFAULT_SERVICE, MAX_BODY_BYTES, MIN_BODY_BYTES, ServiceSpec};

mod node;

/// Services that a file may have at most.
pub const MAX_SERVICES: usize = 1_000;
/// Bytes that it may have at most.
pub const MAX_BYTES: usize = 1 << 20;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The services by name; one called `default` answers what names no other.
    pub services: BTreeMap<String, ServiceSpec>,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What was found there, and what was expected.
    pub message: String,
}

impl Config {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_BYTES {
            return Err(Place::START.wrong(format!("the file has more than {MAX_BYTES} bytes")));
        }
        let root = node::parse(text)?;
        let mut services = None;
        for (key, at, value) in root.map("`services: { NAME: … }`")? {
            match key.as_str() {
                "services" => services = Some(value),
                _ => return Err(at.wrong(format!("unknown key `{key}`: expected `services`"))),
            }
        }
        let services = services.ok_or_else(|| root.at.wrong("expected `services: { NAME: … }`"))?;
        let named = services.map("services by name")?;
        if named.is_empty() {
            return Err(services.at.wrong("expected at least one service"));
        }
        let mut config = Self::default();
        for (name, at, value) in named {
            if !is_name(name) || RESERVED.contains(&name.as_str()) {
                let message =
                    format!("`{name}` cannot name a service: expected A-Z a-z 0-9 _ . -, and none of {RESERVED:?}");
                return Err(at.wrong(message));
            }
            config.services.insert(name.clone(), service(value)?);
        }
        let all = config.services.iter().map(|(name, spec)| (name.as_str(), spec)).collect();
        if let Err(Wrong { name, message }) = check(&all) {
            let at = named.iter().find(|(other, _, _)| other == name).map_or(services.at, |(_, at, _)| *at);
            return Err(at.wrong(message));
        }
        Ok(config)
    }

    /// The default service, and the others. Each draws from a seed of its own, made of this one and its name.
    pub fn seeded(mut self, seed: u64) -> (ServiceSpec, BTreeMap<String, ServiceSpec>) {
        for (name, spec) in &mut self.services {
            spec.seed = seed ^ fingerprint(name);
        }
        let default = self.services.remove(DEFAULT_SERVICE).unwrap_or_default();
        (ServiceSpec { seed, ..default }, self.services)
    }
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

const SERVICE_KEYS: &str = "latency, errors, faults, capacity, body_bytes, calls or chat";
const CHAT_KEYS: &str = "first_token, tokens_per_second, output_tokens or usage";

fn service(node: &Node) -> Result<ServiceSpec, ConfigError> {
    let mut spec = ServiceSpec::default();
    let mut chat = None;
    for (key, at, value) in node.map("what the service is like, such as `{ latency: 30ms }`")? {
        match key.as_str() {
            "latency" => spec.latency = value.read()?,
            "errors" => spec.errors = value.read()?,
            "faults" => spec.faults = value.read()?,
            "capacity" => spec.capacity = Some(value.number("a number of requests, at least 1")?),
            "body_bytes" => spec.body_bytes = body_bytes(value)?,
            "calls" => spec.calls = value.texts("services to call, such as `[ranker]`")?,
            "chat" => chat = Some(value),
            _ => return Err(at.wrong(format!("unknown key `{key}`: expected {SERVICE_KEYS}"))),
        }
    }
    if let Some(value) = chat {
        spec.chat = Some(chat_spec(value, &spec)?);
    }
    Ok(spec)
}

fn body_bytes(value: &Node) -> Result<usize, ConfigError> {
    let expected = format!("a number of bytes from {MIN_BODY_BYTES} to {MAX_BODY_BYTES}");
    let bytes: usize = value.number(&expected)?;
    let fits = (MIN_BODY_BYTES..=MAX_BODY_BYTES).contains(&bytes);
    if fits { Ok(bytes) } else { Err(value.at.wrong(format!("expected {expected}"))) }
}

fn chat_spec(node: &Node, service: &ServiceSpec) -> Result<ChatSpec, ConfigError> {
    let mut chat = ChatSpec { first_token: service.latency, ..ChatSpec::default() };
    if node.is_nothing() {
        return Ok(chat);
    }
    for (key, at, value) in node.map("how chats are completed, such as `{ first_token: 300ms }`")? {
        match key.as_str() {
            "first_token" => chat.first_token = value.read()?,
            "tokens_per_second" => chat.pace = Some(value.read()?),
            "output_tokens" => chat.output_tokens = value.read::<Tokens>()?,
            "usage" => chat.told = value.read()?,
            _ => return Err(at.wrong(format!("unknown key `{key}`: expected {CHAT_KEYS}"))),
        }
    }
    Ok(chat)
}

impl Node {
    /// What a flag of this value would be.
    fn read<T: FromStr<Err: Display>>(&self) -> Result<T, ConfigError> {
        self.flag()?.parse().map_err(|error: T::Err| self.at.wrong(error.to_string()))
    }

    /// The value as the flags write it.
    fn flag(&self) -> Result<String, ConfigError> {
        let single = |node: &Self| match &node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(node.at.wrong("expected a single value")),
        };
        match &self.value {
            Value::Map(pairs) => {
                let parts = pairs.iter().map(|(key, _, node)| Ok(format!("{key}={}", single(node)?)));
                Ok(parts.collect::<Result<Vec<_>, ConfigError>>()?.join(","))
            }
            _ => single(self),
        }
    }

    fn number<T: FromStr>(&self, expected: &str) -> Result<T, ConfigError> {
        let found = self.flag()?;
        found.parse().map_err(|_| self.at.wrong(format!("`{found}` is not {expected}")))
    }
}

#[cfg(test)]
mod tests;
