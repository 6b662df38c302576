//! `farebox serve gateway` from outside: who may reach it, what it tells, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::*;
use crate::program::Folder;

/// A running program, and the lines that it has not told yet.
pub(super) struct Serving {
    child: Child,
    told: BufReader<ChildStderr>,
}

impl Serving {
    pub(super) fn start(folder: &Folder, upstream: SocketAddr, more: &str) -> Self {
        Self::limited(folder, upstream, more, None)
    }

    /// With at most so many open files: by way of a shell, which lowers the limit for what it then becomes.
    pub(super) fn limited(folder: &Folder, upstream: SocketAddr, more: &str, open_files: Option<u32>) -> Self {
        let upstream = upstream.to_string();
        let mut command = Command::new("/bin/sh");
        let limit = open_files.map_or(String::new(), |most| format!("ulimit -n {most} && "));
        command.args(["-c", &format!("{limit}exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_farebox")]);
        command.args(["serve", "gateway", "plans.yaml", "--listen", "127.0.0.1:0", "--upstream", &upstream]);
        command.args(more.split_whitespace()).current_dir(folder.path()).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        Self { child, told }
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line
    }

    /// The word of the next line that is an address.
    pub(super) fn address(&mut self) -> SocketAddr {
        let line = self.line();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.id().to_string()]).status().unwrap().success());
    }

    /// Tells it to stop; returns its exit code, what it printed as results, and what it still said.
    pub(super) fn stop(self) -> (Option<i32>, String, String) {
        self.stop_with("-TERM")
    }

    pub(super) fn stop_with(mut self, name: &str) -> (Option<i32>, String, String) {
        self.signal(name);
        let (mut results, mut rest) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut results).unwrap();
        self.told.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), results, rest)
    }
}

fn upstream() -> Server {
    Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap()
}

/// What is in flight is answered within the drain, and counted.
#[test]
fn it_serves_until_it_is_told_to_stop_and_drains() {
    let folder = Folder::new("serve").with("plans.yaml", PLANS);
    let upstream = upstream();
    let mut serving = Serving::start(&folder, upstream.addr(), "--drain 20s --admin 127.0.0.1:0");
    let (gateway, admin) = (serving.address(), serving.address());
    let token = serving.line();
    let token = token.split("token is ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(token.len(), 32);
    let mut desk = Wire::connect(admin);
    desk.send(format!("GET /accounts/script/0 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n"));
    assert_eq!(desk.receive().status(), 200);
    let mut waiting = Wire::connect(gateway);
    waiting.ask("GET", &keyed(SCRIPT, "latency_ns=400000000"));
    wait_until("the upstream has the call", || upstream.counters().received == 1);
    let (code, results, rest) = serving.stop();
    assert_eq!((code, &results[..], &rest[..]), (Some(0), "served: 1\n", ""), "the token is told once");
    assert_eq!(waiting.receive().status(), 200);
}

#[test]
fn a_token_from_a_file_is_not_told() {
    let folder =
        Folder::new("serve-token").with("plans.yaml", PLANS).with("token", "a-token-of-my-own\n").with("short", "abc");
    let upstream = upstream();
    let mut serving = Serving::start(&folder, upstream.addr(), "--admin 127.0.0.1:0 --admin-token-file token");
    let (_, admin) = (serving.address(), serving.address());
    let mut desk = Wire::connect(admin);
    desk.send("GET /accounts/script/0 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a-token-of-my-own\r\n\r\n");
    assert_eq!(desk.receive().status(), 200);
    let (code, _, rest) = serving.stop();
    assert_eq!((code, &rest[..]), (Some(0), ""));

    let base =
        "serve gateway plans.yaml --upstream 127.0.0.1:9 --listen 127.0.0.1:0 --admin 127.0.0.1:0 --admin-token-file";
    expect![[r#"
        exit code 2
        --- stderr ---
        error: `short` holds no admin token
        hint: a token is one line of at least 16 printable characters of ASCII
    "#]]
    .assert_eq(&folder.farebox(&format!("{base} short")).run().to_string());
    assert_eq!(folder.farebox(&format!("{base} missing")).run().code, Some(7));
    let lost = "serve gateway plans.yaml --upstream 127.0.0.1:9 --admin-token-file token";
    assert_eq!(folder.farebox(lost).run().code, Some(2), "a token without a listener");
}

/// The address is one that no machine has (RFC 5737), so that nothing is opened to anybody.
#[test]
fn other_machines_are_let_in_only_when_that_is_asked_for() {
    let folder = Folder::new("serve-remote").with("plans.yaml", PLANS);
    let base = "serve gateway plans.yaml --upstream 127.0.0.1:9";
    expect![[r#"
        exit code 2
        --- stderr ---
        error: `192.0.2.1:80` can be reached from other machines
        hint: the consumers' keys can be guessed, so the gateway serves on 127.0.0.1 or [::1] unless `--allow-remote` is given
    "#]].assert_eq(&folder.farebox(&format!("{base} --listen 192.0.2.1:80")).run().to_string());
    let admin = folder.farebox(&format!("{base} --listen 127.0.0.1:0 --admin 192.0.2.1:80")).run();
    assert_eq!(admin.code, Some(2));
    expect![[r#"
        exit code 7
        --- stderr ---
        warning: `192.0.2.1:80` can be reached by other machines, and the consumers' keys (key-000000, key-000001, …) can be guessed
        error: the gateway did not start
          caused by: cannot listen on 192.0.2.1:80: Cannot assign requested address (os error 99)
        hint: `--listen` takes another address; port 0 finds a free one
    "#]]
        .assert_eq(&folder.farebox(&format!("{base} --listen 192.0.2.1:80 --allow-remote")).run().to_string());
}

/// Somebody else listens there, so that nothing is served should it not be refused.
#[test]
fn a_gateway_is_not_its_own_upstream() {
    let folder = Folder::new("serve-itself").with("plans.yaml", PLANS);
    let taken = listen();
    let (address, port) = (taken.local_addr().unwrap().to_string(), taken.local_addr().unwrap().port());
    let base = format!("serve gateway plans.yaml --upstream {address}");
    let refused = folder.farebox(&format!("{base} --listen {address}")).run().to_string().replace(&address, "ITSELF");
    expect![[r#"
        exit code 2
        --- stderr ---
        error: the upstream `ITSELF` is the gateway itself
        hint: `--upstream` takes the address of the service behind the gateway
    "#]]
    .assert_eq(&refused);
    for more in [format!("--listen 0.0.0.0:{port} --allow-remote"), format!("--listen 127.0.0.1:0 --admin {address}")] {
        assert_eq!(folder.farebox(&format!("{base} {more}")).run().code, Some(2), "{more}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let folder = Folder::new("serve-limits").with("plans.yaml", PLANS);
    for wrong in [
        "--max-head 100",
        "--max-connections 0",
        "--head-timeout 0s",
        "--idle-timeout never",
        "--max-body -1",
        "--drain 5",
    ] {
        let answer = folder.farebox(&format!("serve gateway plans.yaml --upstream 127.0.0.1:9 {wrong}")).run();
        assert_eq!(answer.code, Some(2), "{wrong}");
    }
}
