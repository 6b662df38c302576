//! The command line as a report tells it: what to type to get the same results again.
//!
//! Deliberately absent: options that change no result (threads, folders, how it is printed), and the values of those that
//! may carry a secret.

use std::env;

/// Options that change no result; the second says whether a value follows.
const WITHOUT_EFFECT: [(&str, Follows); 7] = [
    ("--jobs", Follows::Value),
    ("-j", Follows::Value),
    ("--out", Follows::Value),
    ("--format", Follows::Value),
    ("--color", Follows::Value),
    ("--quiet", Follows::Nothing),
    ("-q", Follows::Nothing),
];

/// Options whose values may be secrets.
const SECRET: [&str; 4] = ["--header", "--body", "--key-prefix", "--webhook-secret"];

#[derive(Clone, Copy, PartialEq)]
enum Follows {
    Value,
    Nothing,
}

/// The command line of this process.
pub(super) fn typed() -> String {
    told(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()))
}

fn told(arguments: impl Iterator<Item = String>) -> String {
    let mut told = vec!["farebox".to_owned()];
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, _)) if name.starts_with('-') => (name, true),
            _ => (argument.as_str(), false),
        };
        // `-j4` is `-j 4`.
        let is_short = |known: &str| !known.starts_with("--") && argument.starts_with(known) && argument.len() > 2;
        if let Some((known, follows)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name || is_short(known)) {
            if *follows == Follows::Value && !joined && *known == argument {
                arguments.next();
            }
        } else if SECRET.contains(&name) {
            if !joined {
                arguments.next();
            }
            told.extend([name.to_owned(), "…".to_owned()]);
        } else {
            told.push(quoted(&without_credentials(&argument)));
        }
    }
    told.join(" ")
}

/// An address without who asks, and by which password.
fn without_credentials(argument: &str) -> String {
    let asked = argument.split_once("://").and_then(|(scheme, rest)| {
        let host = rest.split('/').next()?;
        Some((scheme, &rest[host.rfind('@')? + 1..]))
    });
    asked.map_or_else(|| argument.to_owned(), |(scheme, rest)| format!("{scheme}://…@{rest}"))
}

/// An argument as a shell takes it.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_is_left_out_and_secrets_are_not_told() {
        let told = |line: &[&str]| told(line.iter().map(|&it| it.to_owned()));
        let same = ["simulate", "x.yaml", "--seed", "7"];
        assert_eq!(told(&same), "farebox simulate x.yaml --seed 7");
        let noisy = ["-q", "simulate", "-j4", "x.yaml", "--seed", "7", "--jobs=2", "-j", "8", "--out", "/tmp/x"];
        assert_eq!(told(&noisy), told(&same));
        let load =
            ["load", "my file's.yaml", "--header", "authorization: Bearer hunter2", "--body=hunter2", "--closed"];
        assert_eq!(told(&load), "farebox load 'my file'\\''s.yaml' --header … --body … --closed");
        let target = ["load", "x.yaml", "--target", "http://me:hunter2@[::1]:80/a@b", "--target=http://host/a@b"];
        assert_eq!(told(&target), "farebox load x.yaml --target 'http://…@[::1]:80/a@b' --target=http://host/a@b");
    }
}
