//! A network in CIDR notation: who is trusted, who may relay, who is one source for a limit.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and how many leading bits of it count. Host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash.
    #[error("not an IP address")]
    Address,
    /// The part after the slash.
    #[error("the prefix length is not a number from 0 to {0}")]
    Prefix(u8),
    /// `192.0.2.1/24` may be a slip of the pen, and who is trusted must not be guessed.
    #[error("address bits are set beyond the prefix; write {0}")]
    HostBits(Network),
}

impl Network {
    /// The network of `prefix` bits that `address` lies in; a longer prefix than the address has
    /// bits means the address alone.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self {
                    address: IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask)),
                    prefix,
                }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self {
                    address: IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)),
                    prefix,
                }
            }
        }
    }

    /// Whether the address lies in it. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.prefix) == *self
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&n: &u8| n <= bits && digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or(NetworkError::Prefix(bits))?,
        };
        let network = Self::of(address, prefix);
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        let check = |text: &str, expected: &str| {
            let shown = match text.parse::<Network>() {
                Ok(network) => network.to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, expected, "{text}");
        };
        check("192.0.2.0/24", "192.0.2.0/24");
        check("192.0.2.7", "192.0.2.7/32");
        check("::1", "::1/128");
        check("2001:db8::/32", "2001:db8::/32");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("::/0", "::/0");
        check(
            "192.0.2.1/24",
            "address bits are set beyond the prefix; write 192.0.2.0/24",
        );
        check(
            "192.0.2.0/33",
            "the prefix length is not a number from 0 to 32",
        );
        check("::/129", "the prefix length is not a number from 0 to 128");
        check(
            "192.0.2.0/+4",
            "the prefix length is not a number from 0 to 32",
        );
        check("10.0/8", "not an IP address");
        check("", "not an IP address");
    }

    #[test]
    fn contains_addresses() {
        let check = |network: &str, address: &str, expected: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        };
        check("192.0.2.0/24", "192.0.2.255", true);
        check("192.0.2.0/24", "192.0.3.0", false);
        check("192.0.2.0/24", "::ffff:192.0.2.9", true);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("::1", "::1", true);
    }
}
