//! The open files of a gateway: how many connections they suffice for, and what is said when they do not.

use std::io;
use std::num::NonZeroUsize;

use mock_upstreams::host::Connections;
use rustix::io::Errno;

use crate::cli::exit::{Exit, Failure};
use crate::live::gateway::Front;

/// What the program has open itself: standard input and output, and what brings it signals.
const OWN: u64 = 8;
/// What a thread that serves has open: its event loop, its timer, its listener.
const PER_THREAD: u64 = 6;

/// The open files that a gateway may have.
#[derive(Debug)]
pub(super) struct Files {
    allowed: u64,
    /// The most connections that they suffice for, where that is less than what was asked for.
    fewer: Option<usize>,
    has_told_refused: bool,
    has_told_starved: bool,
}

impl Files {
    /// Bounds the connections of a gateway on so many `threads`: each may need another one, to the upstream.
    pub(super) fn share_out(allowed: u64, threads: usize, serving: NonZeroUsize, front: &mut Front) -> Self {
        let left = allowed.saturating_sub(OWN + PER_THREAD * threads as u64);
        let most = usize::try_from(left / 2).unwrap_or(usize::MAX).max(1);
        let is_fewer = front.limits.connections.is_none_or(|asked| most < asked.get());
        if is_fewer {
            front.limits.connections = NonZeroUsize::new(most);
        }
        front.upstream_idle = front.upstream_idle.min((most / serving).max(1));
        Self { allowed, fewer: is_fewer.then_some(most), has_told_refused: false, has_told_starved: false }
    }

    /// What is to be said of the connections so far; each thing once.
    pub(super) fn says(&mut self, connections: Connections) -> Option<String> {
        let of = || format!("this process may have {} open files; raise the limit with `ulimit -n`", self.allowed);
        let is_starved = connections.starved > 0 && !self.has_told_starved;
        match self.fewer {
            _ if is_starved => {
                self.has_told_starved = true;
                Some(format!("no file is left for another connection, which waits: {}", of()))
            }
            Some(most) if connections.refused > 0 && !self.has_told_refused => {
                self.has_told_refused = true;
                let why = "because each may need one to the upstream";
                Some(format!("more than {most} connections at once are refused, {why}, and {}", of()))
            }
            _ => None,
        }
    }
}

/// Why somebody does not listen, and what to do about it; `option` says where it should.
pub(super) fn unheard(what: &str, option: &str, error: io::Error) -> Failure {
    let hint = match (Errno::from_io_error(&error), error.kind()) {
        (Some(Errno::MFILE | Errno::NFILE), _) => "raise the limit of open files with `ulimit -n`".to_owned(),
        (_, io::ErrorKind::AddrInUse) => {
            format!("somebody listens there already; `{option}` takes another address, and port 0 finds a free one")
        }
        (_, io::ErrorKind::PermissionDenied) => {
            format!("ports below 1024 are for the administrator; `{option}` takes another address")
        }
        _ => format!("`{option}` takes another address; port 0 finds a free one"),
    };
    Failure::new(Exit::Environment, format!("{what} did not start")).because(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(allowed: u64, asked: Option<usize>) -> (Option<usize>, usize, Files) {
        let mut front = Front::GUARDED;
        front.limits.connections = asked.and_then(NonZeroUsize::new);
        let files = Files::share_out(allowed, 2, NonZeroUsize::MIN, &mut front);
        (front.limits.connections.map(NonZeroUsize::get), front.upstream_idle, files)
    }

    #[test]
    fn half_of_the_files_are_for_the_upstream() {
        for (allowed, asked, most, idle) in [
            (1 << 20, Some(10_000), 10_000, 1_024),
            (20_020, Some(10_000), 10_000, 1_024),
            (20_018, Some(10_000), 9_999, 1_024),
            (120, None, 50, 50),
            (24, Some(2), 2, 2),
            (3, Some(10), 1, 1),
        ] {
            let (connections, upstream_idle, _) = shared(allowed, asked);
            assert_eq!((connections, upstream_idle), (Some(most), idle), "{allowed}");
        }
    }

    #[test]
    fn it_is_said_once_and_only_where_the_files_are_at_fault() {
        let quiet = Connections::default();
        let refused = Connections { refused: 1, ..quiet };
        let starved = Connections { starved: 1, ..refused };
        let (.., mut enough) = shared(1 << 20, Some(10));
        assert_eq!([quiet, refused].map(|seen| enough.says(seen)), [None, None]);
        assert!(enough.says(starved).is_some_and(|said| said.contains("may have 1048576 open files")));
        assert_eq!(enough.says(starved), None);
        let (.., mut fewer) = shared(120, Some(1_000));
        assert_eq!(fewer.says(quiet), None);
        assert!(fewer.says(refused).is_some_and(|said| said.starts_with("more than 50 connections at once")));
        assert_eq!(fewer.says(refused), None);
        assert!(fewer.says(starved).is_some_and(|said| said.starts_with("no file is left")));
        assert_eq!(fewer.says(starved), None);
    }
}
