//! The program as a shell sees it: its one line of output, and where that cannot be written.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// The program, whose output goes to where nothing can be written.
fn mock(full: File) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-upstreams"));
    command.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(full);
    command
}

#[test]
fn an_output_that_cannot_be_written_ends_it_with_one_line_and_1() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = mock(full).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let reason = told.strip_prefix("mock-upstreams: cannot write to the standard output: ");
    assert!(reason.is_some_and(|reason| reason.lines().count() == 1), "{told}");
}

/// The one line on standard output is for scripts; what has become of the requests goes where people look.
#[test]
fn what_became_of_requests_is_said_at_the_end() {
    let mut mock = Command::new(env!("CARGO_BIN_EXE_mock-upstreams"))
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(mock.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("mock-upstreams listens on http://").unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
    assert!(Command::new("kill").arg(mock.id().to_string()).status().unwrap().success());
    let output = mock.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "mock-upstreams: 1 received, 1 answered, 0 cut off or left without an answer\n");
}

#[test]
fn an_error_that_nobody_can_read_leaves_its_exit_code() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(mock(full()).stderr(full()).status().unwrap().code(), Some(1));
    let unreadable = mock(full()).args(["--config", "/no/such/file"]).stderr(full()).status().unwrap();
    assert_eq!(unreadable.code(), Some(1));
}
