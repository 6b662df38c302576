//! Requests whose path means something: the chat API, the echo, the mock's health.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use super::{Answer, NoAnswer, Reply, Service, Undrained, Way, read, too_large_text};
use crate::chat::{self, Asked, ChatSpec, Completion, Delivery, MAX_TOKENS, Stream, Told};
use crate::command::Command;
use crate::endpoint::{Endpoint, echo, health};
use crate::fault::Fault;
use crate::path::{Arrived, Path};
use crate::reply::{Body, Later};
use crate::role::Role;
use crate::server;

/// A completion that is to come.
struct Generation {
    completion: Completion,
    told: Told,
    delivery: Delivery,
}

impl Service {
    pub(super) async fn special(
        &self,
        arrival: Instant,
        role: &Role,
        endpoint: Endpoint<'_>,
        head: &Parts,
        body: Incoming,
    ) -> Result<Answer, NoAnswer> {
        let mut content = Vec::new();
        match read(body, |part| content.extend_from_slice(part)).await {
            Ok(()) => {}
            Err(Undrained::TooLarge) => {
                return Ok(complaint(StatusCode::PAYLOAD_TOO_LARGE, too_large_text().trim_end(), None));
            }
            Err(Undrained::BrokenOff(error)) => return Err(error.into()),
        }
        if let Some(method) = endpoint.method().filter(|method| *method != head.method) {
            let message = format!("Not allowed to {} on {}: expected {method}", head.method, head.uri.path());
            let mut answer = complaint(StatusCode::METHOD_NOT_ALLOWED, &message, None);
            let allowed = HeaderValue::from_str(method.as_str()).expect("a method is a word");
            answer.headers_mut().insert(ALLOW, allowed);
            return Ok(answer);
        }
        match endpoint {
            Endpoint::Chat => self.chat(arrival, role, head, &content).await,
            Endpoint::Models => Ok(json(StatusCode::OK, chat::models())),
            Endpoint::Model(name) => Ok(chat::model(name).map_or_else(
                || complaint(StatusCode::NOT_FOUND, &format!("The model `{name}` does not exist"), Some("model")),
                |model| json(StatusCode::OK, model),
            )),
            Endpoint::Echo => {
                let request = Request::from_parts(head.clone(), ());
                Ok(json(StatusCode::OK, echo(&request, &content)))
            }
            Endpoint::Health => Ok(json(StatusCode::OK, health(server::read(&self.shared.counters)))),
        }
    }

    async fn chat(&self, arrival: Instant, role: &Role, head: &Parts, content: &[u8]) -> Result<Answer, NoAnswer> {
        let mut directed = String::new();
        let command = match self.command(head, &mut directed) {
            Ok(command) => command,
            Err((status, wrong)) => return Ok(complaint(status, wrong.trim_end(), None)),
        };
        let asked = match chat::read(content) {
            Ok(asked) => asked,
            Err(wrong) => return Ok(complaint(wrong.status, &wrong.message, wrong.param)),
        };
        let spec = role.spec.chat.as_ref().expect("only a service that has it comes here");
        let (reply, generation) = decide(role, spec, &command, asked);
        let arrived = self.go(arrival, role, &reply).await;
        if reply.status.as_u16() >= 400 {
            let message = format!("The mock was told to answer {}", reply.status.as_u16());
            let body = chat::error(reply.status, &message, None);
            return self.give(role, head, reply, body, arrived).await;
        }
        match generation.delivery {
            Delivery::Stream { with_usage } => self.stream(role, head, reply, generation, with_usage, arrived).await,
            Delivery::Whole => {
                let body = chat::whole(&generation.completion);
                self.give(role, head, reply, body, arrived).await
            }
        }
    }

    /// A whole document, or what its fault leaves of it.
    async fn give(
        &self,
        role: &Role,
        head: &Parts,
        reply: Reply,
        document: Bytes,
        arrived: Arrived,
    ) -> Result<Answer, NoAnswer> {
        let body = match reply.fault {
            Some(fault) => self.play(fault, document, arrived.places).await?,
            None => Body::whole(document),
        };
        Ok(self.compose(role, head, reply, body))
    }

    async fn stream(
        &self,
        role: &Role,
        head: &Parts,
        reply: Reply,
        generation: Generation,
        with_usage: bool,
        arrived: Arrived,
    ) -> Result<Answer, NoAnswer> {
        let event = chat::first_event(&generation.completion);
        let at_once = || Later { sleep: self.timer.sleep_until(Instant::now()), places: Vec::new() };
        let body = match (reply.fault, arrived.rest) {
            (None | Some(Fault::Cut), rest) => {
                let stream = Stream::new(generation.completion, with_usage, rest.unwrap_or_else(at_once));
                Body::stream(match (reply.fault, generation.told) {
                    (None, Told::Cut) => stream.cut_before_usage(),
                    (None, _) => stream,
                    (Some(_), _) => stream.cut_in_the_middle(),
                })
            }
            (Some(fault), rest) => {
                let places = rest.map_or(arrived.places, |later| later.places);
                self.play(fault, event, places).await?
            }
        };
        if reply.fault == Some(Fault::Cut) || (reply.fault.is_none() && generation.told == Told::Cut) {
            self.count(Fault::Cut);
        }
        let mut answer = self.compose(role, head, reply, body);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(answer)
    }
}

/// Draws what the command leaves open. An answer that fails takes as long as one takes to its first token.
fn decide(role: &Role, spec: &ChatSpec, command: &Command<'_>, asked: Asked) -> (Reply, Generation) {
    let mut draws = role.draws();
    let status = role.status(command, &mut draws);
    let first = spec.first_token.sample(&mut draws);
    let amount = |wanted: &str| command.usage?.amounts().find(|(name, _)| *name == wanted).map(|(_, amount)| amount);
    let unlimited = spec.output_tokens.sample(&mut draws);
    let used = amount("output_tokens").unwrap_or(asked.most.unwrap_or(unlimited));
    let prompt = amount("input_tokens").unwrap_or(asked.prompt_tokens);
    let tokens = used.min(MAX_TOKENS);
    let told = command.told.unwrap_or(spec.told);
    let usage = match told {
        Told::Normal | Told::Cut => Some((prompt, used)),
        Told::Zero => Some((0, 0)),
        Told::Absent => None,
    };
    let completion = Completion {
        id: draws.word(),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        model: asked.model,
        tokens,
        finish: if asked.most == Some(tokens) { "length" } else { "stop" },
        usage,
    };
    let fails = status.as_u16() >= 400;
    let total = command.latency.unwrap_or(if fails { first } else { first + spec.takes(tokens) });
    let streams = matches!(asked.delivery, Delivery::Stream { .. }) && !fails;
    let is_cut_whole = !streams && !fails && told == Told::Cut;
    let fault = role.fault(command, &mut draws).or(is_cut_whole.then_some(Fault::Cut));
    let (way, last) = way(command, total);
    let reply = Reply {
        way,
        first: streams.then(|| command.first.unwrap_or(first).min(last)),
        status,
        usage: said(command, told, &completion).filter(|_| !streams && !fails),
        fault,
    };
    (reply, Generation { completion, told, delivery: asked.delivery })
}

/// What is waited for, and how long the last of it takes.
fn way(command: &Command<'_>, total: Duration) -> (Way, Duration) {
    let Some(hops) = command.hops else { return (Way::Here(total), total) };
    let last = hops.iter().last().map_or(Duration::ZERO, |hop| hop.latency);
    (Way::Through(Path::new(hops)), last)
}

/// The usage as a header: the command's own, or what the document says.
fn said(command: &Command<'_>, told: Told, completion: &Completion) -> Option<HeaderValue> {
    let (prompt, tokens) = completion.usage?;
    let text = match command.usage {
        Some(usage) if told != Told::Zero => usage.as_str().to_owned(),
        _ => format!("input_tokens:{prompt},output_tokens:{tokens}"),
    };
    Some(HeaderValue::try_from(text).expect("a usage has visible ASCII characters only"))
}

fn complaint(status: StatusCode, message: &str, param: Option<&str>) -> Answer {
    json(status, chat::error(status, message, param))
}

fn json(status: StatusCode, document: Bytes) -> Answer {
    let mut answer = Response::new(Body::whole(document));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
