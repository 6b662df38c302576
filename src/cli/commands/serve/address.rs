//! Addresses of roles that are served alone: who can reach them, and whether they lead back to themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::cli::exit::{Exit, Failure};

/// Whether only this machine reaches it. IPv4 in the form of IPv6 is read as IPv4.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Other machines are let in only where that is allowed.
pub(super) fn check_loopback(address: SocketAddr, is_allowed: bool) -> Result<(), Failure> {
    if is_allowed || is_loopback(address) {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("`{address}` can be reached from other machines"))
        .hint("listen on 127.0.0.1, or add `--allow-remote`"))
}

/// A gateway that forwarded to itself would call itself without an end.
pub(super) fn check_upstream(upstream: SocketAddr, listeners: &[SocketAddr]) -> Result<(), Failure> {
    if !listeners.iter().any(|listens| is_heard(*listens, upstream)) {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("the upstream `{upstream}` is the gateway itself"))
        .hint("`--upstream` takes the address of the service behind the gateway"))
}

/// Whether who listens there hears those who connect to `to`. Who connects to no address in particular reaches this machine,
/// and who listens on none in particular listens on all of its addresses; of those, only loopback is known here.
fn is_heard(listens: SocketAddr, to: SocketAddr) -> bool {
    let reached = match to.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    let listening = listens.ip().to_canonical();
    let hears_all = listening.is_unspecified() && (listening.is_ipv6() || reached.is_ipv4());
    listens.port() == to.port() && (listening == reached || hears_all && reached.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn this_machine_is_known_in_each_of_its_forms() {
        for own in ["127.0.0.1:0", "127.8.9.10:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(check_loopback(at(own), false).is_ok(), "{own}");
        }
        for other in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
            assert!(check_loopback(at(other), false).is_err(), "{other}");
            assert!(check_loopback(at(other), true).is_ok(), "{other}");
        }
    }

    #[test]
    fn a_gateway_hears_itself_wherever_it_listens() {
        for (listens, upstream, is_itself) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.2:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "[::]:80", true),
            ("192.0.2.1:80", "192.0.2.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "[::1]:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
            ("0.0.0.0:80", "192.0.2.1:80", false),
        ] {
            let checked = check_upstream(at(upstream), &[at("127.0.0.1:9"), at(listens)]);
            assert_eq!(checked.is_err(), is_itself, "{listens} {upstream}");
        }
    }
}
