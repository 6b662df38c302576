//! What the threads of a load have worked, by their role: the generator's own, and those in this process that it loads.

use std::fs;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// CPU time of threads of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// How many threads.
    pub threads: u64,
    /// All of them together, in ns.
    pub cpu_ns: u64,
    /// The one that has worked most, in ns.
    pub busiest_ns: u64,
}

/// What a thread of this process does in a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum Role {
    Gateway,
    Upstreams,
}

impl Role {
    /// What the names of its threads begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Gateway => "gateway-",
            Self::Upstreams => "mock-",
        }
    }
}

impl Worked {
    pub(super) fn add(&mut self, cpu_ns: u64) {
        self.threads += 1;
        self.cpu_ns += cpu_ns;
        self.busiest_ns = self.busiest_ns.max(cpu_ns);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.threads += other.threads;
        self.cpu_ns += other.cpu_ns;
        self.busiest_ns = self.busiest_ns.max(other.busiest_ns);
    }
}

/// The CPU time of this thread so far, in ns.
pub(super) fn own_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// What the threads of each role have worked since they were begun; `None` where the system does not tell, which Linux alone
/// does. Threads are known by their names, so a process has one load at a time.
pub(in crate::live) fn of_roles(roles: &[Role]) -> Option<Vec<Worked>> {
    let mut worked = vec![Worked::default(); roles.len()];
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let folder = thread.ok()?.path();
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        let Some(role) = roles.iter().position(|role| name.starts_with(role.prefix())) else { continue };
        worked[role].add(on_cpu(&fs::read_to_string(folder.join("schedstat")).ok()?)?);
    }
    Some(worked)
}

/// Of "time on the processor, time waiting for one, time slices", in ns.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_role_and_by_what_it_has_worked() {
        assert_eq!((on_cpu("106384500 93609472 265\n"), on_cpu(""), on_cpu("x")), (Some(106_384_500), None, None));
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = move || {
            let begin = own_ns();
            while own_ns() - begin < 3_000_000 {}
            tell.send(own_ns()).unwrap();
            ended.recv().unwrap_err();
        };
        let thread = std::thread::Builder::new().name("mock-0".to_owned()).spawn(work).unwrap();
        let own = told.recv().unwrap();
        if let Some(worked) = of_roles(&[Role::Gateway, Role::Upstreams]) {
            assert!(worked[1].busiest_ns >= own - 2_000_000, "{worked:?} {own}");
            assert!(worked[1].cpu_ns >= worked[1].busiest_ns && worked[1].threads >= 1);
        }
        drop(end);
        thread.join().unwrap();
    }
}
