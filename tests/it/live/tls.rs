//! TLS before HTTP: what is agreed on, that limits and faults hold inside of it, and what is said of files that do not fit.
//!
//! `localhost.crt` is valid for `localhost` and 127.0.0.1 until 2126 and certifies itself; `localhost.key` is known to
//! everybody.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use farebox::live::gateway::Front;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mock_upstreams::Fault;
use mock_upstreams::host::{Door, Host, Limits, Tls};
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::*;
use crate::program::Folder;

/// Limits that a test can reach in a moment. Only a failure makes a test wait for longer.
const SHORT: Duration = Duration::from_millis(500);

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/live").join(name)
}

fn shown() -> Tls {
    Tls::read(&pem("localhost.crt"), &pem("localhost.key")).unwrap()
}

fn rig(front: Front) -> Rig {
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    rig_before(upstream, front)
}

fn rig_before(upstream: Server, front: Front) -> Rig {
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::MIN,
        upstream: upstream.addr(),
        time: Time::Wall(Instant::now()),
        logging: Logging::Full,
        token: None,
    };
    let world = Arc::new(World::whole(Arc::new(fixture::parse(PLANS))).unwrap());
    Rig { gateway: Gateway::start_with(world, &options, front, Some(shown())).unwrap(), upstream }
}

fn guarded(change: impl FnOnce(&mut Limits)) -> Front {
    let mut front = Front::GUARDED;
    change(&mut front.limits);
    front
}

/// A client that believes in the test's certificate, and names these protocols.
fn trusting(protocols: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("localhost.crt")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

type Session = StreamOwned<ClientConnection, TcpStream>;

/// Has shaken hands, or says why not.
fn connect(to: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Session> {
    let mut tcp = TcpStream::connect(to)?;
    tcp.set_read_timeout(Some(GRACE))?;
    let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(session, tcp))
}

fn ask(session: &mut Session, headers: &str) {
    write!(session, "GET /v1/thing HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n").unwrap();
}

/// All that is said until the end of the connection, and the error that it ended with.
fn rest(mut session: impl Read) -> (Vec<u8>, Option<ErrorKind>) {
    let mut read = Vec::new();
    let ended = session.read_to_end(&mut read);
    (read, ended.err().map(|error| error.kind()))
}

const CLOSE: &str = "connection: close\r\n";

// === What is agreed on ===

#[test]
fn both_versions_of_tls_and_of_http_are_spoken() {
    let rig = rig(Front::GUARDED);
    let ours = ["h2", "http/1.1"];
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        for (offered, agreed) in [(&[][..], None), (&ours[1..], Some("http/1.1")), (&ours, Some("h2"))] {
            let session = connect(rig.gateway.addr(), trusting(offered, &[version])).unwrap();
            let said = session.conn.alpn_protocol().map(|name| std::str::from_utf8(name).unwrap());
            assert_eq!((session.conn.protocol_version(), said), (Some(number), agreed));
        }
        let stranger = connect(rig.gateway.addr(), trusting(&["spdy/3"], &[version])).unwrap_err();
        assert!(stranger.to_string().contains("NoApplicationProtocol"), "{stranger}");
    }
    let mut plain = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    ask(&mut plain, &format!("{}{CLOSE}", keyed(SCRIPT, "")));
    let (answer, error) = rest(plain);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    assert_eq!(error, None, "the session is ended as well as the connection");
    wait_until("all are closed", || rig.gateway.connections().open == 0);
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

#[test]
fn many_calls_go_over_one_session() {
    let rig = rig(Front::GUARDED);
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let tcp = tokio::net::TcpStream::connect(rig.gateway.addr()).await.unwrap();
        let connector = TlsConnector::from(trusting(&["h2"], &[&TLS13]));
        let session = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), tcp).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(session)).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let calls: Vec<_> = (0..32)
            .map(|_| {
                let mut sender = sender.clone();
                let request = Request::builder().method(Method::POST).uri("https://gateway/v1/thing");
                let request = request.header("x-api-key", "key-000000").header("mock-outcome", "latency_ns=100000000");
                let request = request.body(Full::<Bytes>::from("hello")).unwrap();
                tokio::spawn(async move {
                    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
                    (head.status, body.collect().await.unwrap().to_bytes().len())
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), (StatusCode::OK, 64));
        }
        assert_eq!(rig.gateway.connections().open, 1);
    });
    assert_eq!(rig.quiesce()[0], Account::settled(32, 0));
}

/// Many records: none is lost, none is held back, and what the client leaves is paid as without TLS.
#[test]
fn a_long_answer_passes_whole() {
    let service = ServiceSpec { body_bytes: TOO_LONG, ..ServiceSpec::default() };
    let upstream = Server::start(&mock_upstreams::Options { service, obey: true, ..Default::default() }).unwrap();
    let rig = rig_before(upstream, Front::GUARDED);
    let mut session = connect(rig.gateway.addr(), trusting(&["http/1.1"], &[&TLS13])).unwrap();
    ask(&mut session, &format!("{}{CLOSE}", keyed(SCRIPT, "")));
    let (answer, error) = rest(session);
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!((answer.len() - head, error), (TOO_LONG, None));
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

// === Limits ===

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let rig = rig(guarded(|limits| limits.head_within = Some(SHORT)));
    // Nothing; the beginning of a record; what is no TLS at all.
    for (begun, timed_out) in [(&b""[..], 1), (b"\x16\x03\x01", 2), (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 2)] {
        let mut tcp = TcpStream::connect(rig.gateway.addr()).unwrap();
        tcp.set_read_timeout(Some(GRACE)).unwrap();
        tcp.write_all(begun).unwrap();
        let (said, _) = rest(tcp);
        assert!(!said.starts_with(b"HTTP"), "{}", said.escape_ascii());
        wait_until("it is counted", || rig.gateway.connections().timed_out == timed_out);
    }
    // Hands are shaken, and then nothing is asked; or half.
    for begun in ["", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut session = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
        session.write_all(begun.as_bytes()).unwrap();
        assert_eq!(rest(session).0, b"");
    }
    let session = connect(rig.gateway.addr(), trusting(&["h2"], &[&TLS13])).unwrap();
    rest(session);
    wait_until("all are closed", || rig.gateway.connections().open == 0);
    assert_eq!(rig.gateway.connections().timed_out, 5);
    let mut session = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    ask(&mut session, &format!("{}{CLOSE}", keyed(SCRIPT, "latency_ns=900000000")));
    assert!(rest(session).0.starts_with(b"HTTP/1.1 200 "), "one that waits for its answer is waited for");
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

/// A client that asks for much and takes nothing of what waits in its session.
#[test]
fn who_does_not_take_an_answer_is_not_waited_for() {
    let service = ServiceSpec { body_bytes: TOO_LONG, ..ServiceSpec::default() };
    let upstream = Server::start(&mock_upstreams::Options { service, obey: true, ..Default::default() }).unwrap();
    let rig = rig_before(upstream, guarded(|limits| limits.send_within = Some(SHORT)));
    let mut session = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    ask(&mut session, &keyed(SCRIPT, ""));
    wait_until("it is closed", || rig.gateway.connections().timed_out == 1);
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

/// Nothing can be said to one connection too many; it is closed at once.
#[test]
fn connections_are_bounded() {
    let rig = rig(guarded(|limits| limits.connections = NonZeroUsize::new(1)));
    let first = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    assert_eq!(rest(TcpStream::connect(rig.gateway.addr()).unwrap()).0, b"");
    assert_eq!(rig.gateway.connections().refused, 1);
    drop(first);
    wait_until("there is a place", || rig.gateway.connections().open == 0);
    connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    rig.quiesce();
}

#[test]
fn what_is_in_flight_at_the_end_is_waited_for() {
    let rig = rig(Front::GUARDED);
    let mut session = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    ask(&mut session, &keyed(SCRIPT, "latency_ns=300000000"));
    wait_until("the upstream has the call", || rig.upstream.counters().received == 1);
    let idle = connect(rig.gateway.addr(), trusting(&[], &[&TLS13])).unwrap();
    assert_eq!(rig.end(GRACE)[0], Account::settled(1, 0));
    let (answer, error) = rest(session);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && error.is_none(), "{error:?}");
    rest(idle);
}

// === Faults ===

/// A host that answers everything with this fault; without one, with an empty answer.
fn faulty(fault: Option<Fault>) -> Host {
    let door = Door { tls: Some(shown()), ..Door::from(Limits::GUARDED) };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let answer = move |_| async move {
        let body = http_body_util::Empty::<Bytes>::new().map_err(|never: Infallible| match never {});
        fault.map_or_else(|| Ok(Response::new(body.boxed())), Err)
    };
    Host::start_within("faulty", listen, NonZeroUsize::MIN, door, move |_| answer).unwrap()
}

/// What breaks an answer is said inside of the session; the connection then ends without a word of TLS.
#[test]
fn faults_are_played_inside_of_the_session() {
    let cut_off = Some(ErrorKind::UnexpectedEof);
    for (fault, said, error) in [
        (None, &b"HTTP/1.1 200 OK\r\n"[..], None),
        (Some(Fault::Reset), b"", Some(ErrorKind::ConnectionReset)),
        (Some(Fault::HalfHeader), b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-le", cut_off),
        (Some(Fault::Garbage), b"\x15\x03\x01\x00", cut_off),
    ] {
        let host = faulty(fault);
        let mut session = connect(host.addr(), trusting(&[], &[&TLS13])).unwrap();
        ask(&mut session, CLOSE);
        let (answer, ended) = rest(session);
        assert!(answer.starts_with(said) && (said.is_empty() == answer.is_empty()), "{}", answer.escape_ascii());
        assert_eq!(ended, error, "{fault:?}");
        host.shutdown(Duration::ZERO);
    }
}

// === Files ===

#[test]
fn a_certificate_is_shown_and_files_that_do_not_fit_are_refused() {
    let text = |name: &str| std::fs::read_to_string(pem(name)).unwrap();
    let (certificate, key) = (text("localhost.crt"), text("localhost.key"));
    let secret: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let folder = Folder::new("serve-tls")
        .with("plans.yaml", PLANS)
        .with("own.crt", &certificate)
        .with("own.key", &key)
        .with("both.pem", &format!("words before\n{key}{certificate}"))
        .with("other.key", OTHER_KEY)
        .with("locked.key", LOCKED_KEY)
        .with("cut.key", &key[..key.len() / 2])
        .with("odd.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .with("empty", "");
    let base = "serve gateway plans.yaml --upstream 127.0.0.1:9 --listen 127.0.0.1:0";
    let mut seen = String::new();
    for (certificate, key) in [
        ("none.crt", "own.key"),
        ("own.crt", "none.key"),
        ("empty", "own.key"),
        ("own.key", "own.key"),
        ("own.crt", "empty"),
        ("own.crt", "own.crt"),
        ("own.crt", "locked.key"),
        ("own.crt", "cut.key"),
        ("own.crt", "other.key"),
        ("odd.crt", "own.key"),
        ("/dev/zero", "own.key"),
    ] {
        let answer = folder.farebox(&format!("{base} --tls-cert {certificate} --tls-key {key}")).run();
        assert!(secret.as_bytes().chunks(16).all(|part| !answer.stderr.contains(std::str::from_utf8(part).unwrap())));
        writeln!(seen, "{certificate} {key}: {answer}").unwrap();
    }
    expect![[r#"
        none.crt own.key: exit code 7
        --- stderr ---
        error: cannot read `none.crt`
          caused by: No such file or directory (os error 2)

        own.crt none.key: exit code 7
        --- stderr ---
        error: cannot read `none.key`
          caused by: No such file or directory (os error 2)

        empty own.key: exit code 2
        --- stderr ---
        error: `empty` holds no certificate
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        own.key own.key: exit code 2
        --- stderr ---
        error: `own.key` holds no certificate
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        own.crt empty: exit code 2
        --- stderr ---
        error: `empty` holds no private key
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        own.crt own.crt: exit code 2
        --- stderr ---
        error: `own.crt` holds no private key
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        own.crt locked.key: exit code 2
        --- stderr ---
        error: the key in `locked.key` is under a password
        hint: nobody is there to type it: write the key without one with `openssl pkey -in OLD -out NEW`, and keep that file to yourself

        own.crt cut.key: exit code 2
        --- stderr ---
        error: `cut.key` is broken, or no PEM file
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        own.crt other.key: exit code 2
        --- stderr ---
        error: the key in `other.key` is not that of the first certificate in `own.crt`
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        odd.crt own.key: exit code 2
        --- stderr ---
        error: `odd.crt` is broken, or no PEM file
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

        /dev/zero own.key: exit code 2
        --- stderr ---
        error: `/dev/zero` is broken, or no PEM file
        hint: `--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one

    "#]].assert_eq(&seen);
    for lost in ["--tls-cert own.crt", "--tls-key own.key"] {
        assert_eq!(folder.farebox(&format!("{base} {lost}")).run().code, Some(2), "one without the other");
    }
    let upstream = Server::start(&mock_upstreams::Options::default()).unwrap();
    for files in ["--tls-cert own.crt --tls-key own.key", "--tls-cert both.pem --tls-key both.pem"] {
        let mut serving = serve::Serving::start(&folder, upstream.addr(), files);
        let line = serving.line();
        assert!(line.contains(" with TLS and forwards to "), "{line}");
        let gateway = line.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        let mut session = connect(gateway, trusting(&[], &[&TLS13])).unwrap();
        ask(&mut session, &format!("{}{CLOSE}", keyed(SCRIPT, "")));
        assert!(rest(session).0.starts_with(b"HTTP/1.1 200 "));
        let (code, results, _) = serving.stop();
        assert_eq!((code, &results[..]), (Some(0), "served: 1\n"));
    }
}

/// A key that no certificate here is for.
const OTHER_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUlyFp6oyf6ZZ4CIa
aAk5+uA2rdGOeI32VNZpP3HZae2hRANCAATe2AuNWgLnWJF0G+o0E0lUAe44D5xL
t2vqVt87+A42opia0vf0BRkdnhx6wlxVLeHSqMLFqfR1g2f0cJ0X/Qon
-----END PRIVATE KEY-----
";

/// The same, behind a password.
const LOCKED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAikGUtXm9xAEQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG/+f5vI8c2x18WHkUJ62aYEgZAP
j9HPeSRMxl+aajxM8G2h0Mz6Vh8xvSy2/29ac/GBKQCjDOh7wK7tT3RYZG8884EC
2Mk2jY1SoilIEsWRWwzpSwoI/txFrBuCZxtSzoC00TB+r1nMlgugHzUhYiSlOwD/
t3R9PLCJyreha4djbyYDYnecu1bz9I3t1xGrFN4NWAzQ5Bs93+e1+qFiNW2/Qe4=
-----END ENCRYPTED PRIVATE KEY-----
";
