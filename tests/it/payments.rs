//! `farebox serve payments` from outside: whom it serves, what it says, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use clap::CommandFactory as _;
use expect_test::expect;
use farebox::cli::args::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::Folder;

/// A running processor, which is killed if a test gives up.
struct Processor {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl Processor {
    fn start(more: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
        command.args("serve payments --listen 127.0.0.1:0".split(' ')).args(more.split_whitespace()).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.strip_prefix("the payment processor listens on ").and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, stderr, address }
    }

    /// The answer to a form, whole.
    fn post(&self, path: &str, form: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = form.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer sk_test_x\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{form}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it as Ctrl-C does; its exit code, and what it printed in the end.
    fn end(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }
}

#[test]
fn it_serves_until_ctrl_c_and_says_what_it_did() {
    let processor = Processor::start("");
    let paid = "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true";
    assert!(processor.post("/v1/payment_intents", paid).starts_with("HTTP/1.1 200 "));
    assert!(processor.post("/v1/payment_intents", "amount=500").starts_with("HTTP/1.1 400 "));
    // An intent, its payment method and its charge; what was made of them.
    assert_eq!(processor.end(), (Some(0), "requests: 2\nobjects: 3\nevents: 3\n".to_owned()));
}

/// Port 0 takes any: with `--quiet` too, nobody could find it otherwise. Delays are written as everywhere.
#[test]
fn a_quiet_processor_tells_where_it_listens() {
    let processor = Processor::start("--quiet --webhook http://127.0.0.1:9/ --webhook-delay 5m");
    let paid = "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true";
    assert!(processor.post("/v1/payment_intents", paid).starts_with("HTTP/1.1 200 "));
    // Each event is still to be sent.
    assert_eq!(processor.end(), (Some(0), "requests: 1\nobjects: 3\nevents: 3\nnot delivered: 3\n".to_owned()));
    assert_eq!(Processor::start("--webhook http://127.0.0.1:9/ --webhook-delay 1h").end().0, Some(0));
}

/// The webhook of port 9 takes nothing: each event is told as one that was not delivered.
#[test]
fn what_was_not_delivered_is_said_at_the_end() {
    let processor = Processor::start("--webhook http://127.0.0.1:9/ --webhook-lose 50%");
    let paid = "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true";
    assert!(processor.post("/v1/payment_intents", paid).starts_with("HTTP/1.1 200 "));
    let said = "requests: 1\nobjects: 3\nevents: 3\nnot delivered: 3\n".to_owned();
    assert_eq!(processor.end(), (Some(0), said));
}

#[test]
fn a_secret_that_nobody_gave_is_the_seeds_and_told() {
    let told = |seed: u64| {
        let mut processor = Processor::start(&format!("--webhook http://127.0.0.1:9/ --seed {seed}"));
        let mut line = String::new();
        processor.stderr.read_line(&mut line).unwrap();
        line
    };
    let first = told(7);
    assert!(first.starts_with("warning: events are signed with whsec_"), "{first:?}");
    assert_eq!(told(7), first);
    assert_ne!(told(8), first);
}

#[test]
fn the_flags_of_faults_and_bounds_arrive() {
    let broken = Processor::start("--errors 503=100%");
    assert!(broken.post("/v1/customers", "").starts_with("HTTP/1.1 503 "));
    let full = Processor::start("--max-objects 1");
    assert!(full.post("/v1/customers", "").contains("mock_is_full"));
}

#[test]
fn other_machines_are_served_and_sent_to_only_where_that_is_allowed() {
    let folder = Folder::new("serve-payments");
    let answers =
        ["--listen 0.0.0.0:0", "--webhook http://192.0.2.1/hook", "--webhook https://127.0.0.1/", "--errors 402=1%"]
            .map(|more| folder.farebox(&format!("serve payments {more}")).run().to_string());
    expect![[r#"
        exit code 2
        --- stderr ---
        error: `0.0.0.0:0` can be reached from other machines
        hint: listen on 127.0.0.1, or add `--allow-remote`

        exit code 2
        --- stderr ---
        error: `http://192.0.2.1/hook` is not this machine
        hint: send events to 127.0.0.1 or localhost, or add `--allow-remote`

        exit code 2
        --- stderr ---
        error: invalid value 'https://127.0.0.1/' for '--webhook <URL>': `https://127.0.0.1/` is not `http://HOST[:PORT][/PATH]`: webhooks are delivered without TLS

        For more information, try '--help'.

        exit code 2
        --- stderr ---
        error: invalid value '402=1%' for '--errors <SHARE>': a payment processor fails with 429, or with 500 to 599

        For more information, try '--help'.
    "#]].assert_eq(&answers.join("\n"));
}

#[test]
fn every_flag_is_documented() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PAYMENTS.md")).unwrap();
    let args = Args::command();
    let command = args.find_subcommand("serve").and_then(|serve| serve.find_subcommand("payments")).unwrap();
    for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
        let row = [" ", "`"].map(|end| page.contains(&format!("\n| `--{flag}{end}")));
        assert!(row.contains(&true), "docs/PAYMENTS.md does not have `--{flag}`");
    }
}
