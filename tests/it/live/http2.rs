//! HTTP/2 by prior knowledge, with a client that is not ours, on the port that serves HTTP/1.1 as well.

use std::num::NonZeroUsize;

use farebox::live::gateway::Front;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::hostile::before;
use super::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn connect(to: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

fn request(method: Method, key: &str, outcome: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri("http://gateway/v1/thing?page=2");
    request.header("x-api-key", key).header("mock-outcome", outcome).body(Full::from(body)).unwrap()
}

async fn answer(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn rig(front: Front) -> Rig {
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    Rig { gateway: before(PLANS, upstream.addr(), front), upstream }
}

#[test]
fn a_connection_carries_many_calls_at_once_and_each_is_paid() {
    let rig = rig(Front::GUARDED);
    runtime().block_on(async {
        let mut sender = connect(rig.gateway.addr()).await;
        let calls: Vec<_> = (0..32)
            .map(|_| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    answer(&mut sender, request(Method::POST, "key-000000", "latency_ns=200000000", b"hello")).await
                })
            })
            .collect();
        for call in calls {
            let answer = call.await.unwrap();
            assert_eq!((answer.status(), answer.body().len()), (StatusCode::OK, 64));
        }
        let refused = answer(&mut sender, request(Method::GET, "nobody", "", b"")).await;
        assert_eq!(
            (refused.status(), refused.headers()["farebox-cause"].to_str().unwrap()),
            (StatusCode::UNAUTHORIZED, "unknown_credential")
        );
        assert_eq!(rig.gateway.connections().open, 1);
    });
    // The same port speaks the older version.
    assert_eq!(rig.client().get(&keyed(SCRIPT, "")).status(), 200);
    assert_eq!(rig.quiesce()[0], Account::settled(33, 0));
}

/// A stream that is reset is a client that has gone: the call goes on, and is paid once.
#[test]
fn a_stream_that_is_reset_pays_once() {
    let rig = rig(Front::GUARDED);
    runtime().block_on(async {
        let mut sender = connect(rig.gateway.addr()).await;
        let call = sender.send_request(request(Method::GET, "key-000000", "latency_ns=300000000", b""));
        let call = tokio::spawn(call);
        let deadline = Instant::now() + GRACE;
        while rig.upstream.counters().received == 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        call.abort();
        assert!(call.await.is_err());
        let next = answer(&mut sender, request(Method::GET, "key-000000", "", b"")).await;
        assert_eq!(next.status(), StatusCode::OK);
    });
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    assert_eq!(rig.count(Cause::ClientAbort), 1);
    assert_eq!(rig.quiesce()[0], Account::settled(2, 0));
}

#[test]
fn the_limits_hold_for_streams_too() {
    let mut front = Front { body_bytes: 1_000, ..Front::GUARDED };
    front.limits.connections = NonZeroUsize::new(8);
    let rig = rig(front);
    runtime().block_on(async {
        let mut sender = connect(rig.gateway.addr()).await;
        let long = answer(&mut sender, request(Method::POST, "key-000000", "", &[b'b'; 1_001])).await;
        assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let mut large = request(Method::GET, "key-000000", "", b"");
        large.headers_mut().insert("x-long", "a".repeat(40_000).parse().unwrap());
        // It is refused with 431, or the connection is closed: no account hears of it.
        if let Ok(answer) = sender.send_request(large).await {
            assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let mut sender = connect(rig.gateway.addr()).await;
        let fits = answer(&mut sender, request(Method::POST, "key-000000", "", &[b'b'; 1_000])).await;
        assert_eq!(fits.status(), StatusCode::OK);
    });
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

/// When the gateway stops, a client is told to send nothing more, and has the answers that it waits for.
#[test]
fn what_is_in_flight_at_the_end_is_waited_for_on_streams_too() {
    let rig = rig(Front::GUARDED);
    let addr = rig.gateway.addr();
    let client = thread::spawn(move || {
        runtime().block_on(async move {
            let mut sender = connect(addr).await;
            answer(&mut sender, request(Method::GET, "key-000000", "latency_ns=300000000", b"")).await.status()
        })
    });
    wait_until("the upstream has the call", || rig.upstream.counters().received == 1);
    assert_eq!(rig.end(GRACE)[0], Account::settled(1, 0));
    assert_eq!(client.join().unwrap(), StatusCode::OK);
}

/// The upstream falls silent, before its answer and inside of it: the one stream ends, the connection goes on.
#[test]
fn an_upstream_that_falls_silent_ends_one_stream() {
    let rig = rig(Front { upstream_within: Duration::from_millis(500), ..Front::GUARDED });
    runtime().block_on(async {
        let mut sender = connect(rig.gateway.addr()).await;
        let silent = answer(&mut sender, request(Method::GET, "key-000000", "fault=stall", b"")).await;
        assert_eq!(silent.status(), StatusCode::GATEWAY_TIMEOUT);
        let halfway = request(Method::GET, "key-000000", "latency_ns=3600000000000;first_ns=0", b"");
        let halfway = sender.send_request(halfway).await.unwrap();
        assert_eq!(halfway.status(), StatusCode::OK);
        assert!(halfway.into_body().collect().await.is_err(), "its end is missing");
        let next = answer(&mut sender, request(Method::GET, "key-000000", "", b"")).await;
        assert_eq!((next.status(), rig.gateway.connections().open), (StatusCode::OK, 1));
    });
    assert_eq!(rig.count(Cause::UpstreamTimeout), 2);
    assert_eq!(rig.quiesce()[0], Account::settled(1, 2));
}

/// The mock behind a gateway speaks it, too. What goes wrong is the one exchange: the connection carries the next one.
#[test]
fn a_fault_of_a_mock_breaks_one_exchange_and_not_the_connection() {
    let mock = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    runtime().block_on(async {
        let mut sender = connect(mock.addr()).await;
        for fault in ["reset", "half_header", "garbage"] {
            let outcome = format!("fault={fault}");
            let broken = sender.send_request(request(Method::GET, "any", &outcome, b"")).await;
            assert!(broken.is_err(), "{fault}");
            assert_eq!(
                answer(&mut sender, request(Method::GET, "any", "", b"")).await.status(),
                StatusCode::OK,
                "{fault}"
            );
        }
        let begun = sender.send_request(request(Method::GET, "any", "fault=cut", b"")).await.unwrap();
        assert!(begun.into_body().collect().await.is_err());
        assert_eq!(answer(&mut sender, request(Method::GET, "any", "", b"")).await.body().len(), 64);
    });
    let counters = mock.shutdown(GRACE);
    assert_eq!((counters.received, counters.faults.iter().sum::<u64>()), (8, 4));
}
