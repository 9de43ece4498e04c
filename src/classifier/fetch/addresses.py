"""Network addresses: which of them a download may connect to.

The tables are IANA's special-purpose registries (RFC 6890), with what they call global, because no
image lives there, and multicast. ``ipaddress.is_global`` alone is not enough: it passes
multicast and 192.88.99.0/24, and its answers differ between patch releases of Python.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_SPECIAL = (
    ip_network("0.0.0.0/8"),  # this network
    ip_network("10.0.0.0/8"),  # private
    ip_network("100.64.0.0/10"),  # shared by carriers
    ip_network("127.0.0.0/8"),  # loopback
    ip_network("169.254.0.0/16"),  # link-local, AWS metadata and credentials
    ip_network("172.16.0.0/12"),  # private
    ip_network("192.0.0.0/24"),  # protocol assignments
    ip_network("192.0.2.0/24"),  # documentation
    ip_network("192.31.196.0/24"),  # AS112
    ip_network("192.52.193.0/24"),  # AMT
    ip_network("192.88.99.0/24"),  # 6to4 relays, retired
    ip_network("192.168.0.0/16"),  # private
    ip_network("192.175.48.0/24"),  # AS112
    ip_network("198.18.0.0/15"),  # benchmarks
    ip_network("198.51.100.0/24"),  # documentation
    ip_network("203.0.113.0/24"),  # documentation
    ip_network("224.0.0.0/4"),  # multicast
    ip_network("240.0.0.0/4"),  # reserved, broadcast
    # IPv6: all but 2000::/3 (unspecified, loopback, IPv4 in disguise, discard, segment routing,
    # unique local, link-local, multicast, and what is not given out), and in 2000::/3:
    ip_network("::/3"),
    ip_network("4000::/2"),
    ip_network("8000::/1"),
    ip_network("2001::/23"),  # protocol assignments, Teredo: whatever IPv4 address it carries
    ip_network("2001:db8::/32"),  # documentation
    ip_network("2002::/16"),  # 6to4, retired: whatever IPv4 address it carries
    ip_network("2620:4f:8000::/48"),  # AS112
    ip_network("3fff::/20"),  # documentation
)
# The ranges that private networks use. Link-local is not among them.
_PRIVATE = (
    ip_network("10.0.0.0/8"),
    ip_network("100.64.0.0/10"),
    ip_network("127.0.0.0/8"),
    ip_network("172.16.0.0/12"),
    ip_network("192.168.0.0/16"),
    ip_network("198.18.0.0/15"),
    ip_network("::1/128"),
    ip_network("fc00::/7"),
)
_AWS_SERVICES = ip_network("fd00:ec2::/32")  # IPv6's 169.254.0.0/16: credentials and more
_NAT64 = ip_network("64:ff9b::/96")


def is_allowed(text: str, *, private: bool = False) -> bool:
    """Whether a download may connect to an address.

    Args:
        text: An IPv4 or IPv6 address.
        private: Also allow the ranges that private networks use.

    Raises:
        ValueError: ``text`` is no address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address) and (address in _NAT64 or address.ipv4_mapped):
        address = IPv4Address(int(address) & 0xFFFFFFFF)  # packets go there
    if address in _AWS_SERVICES:
        return False
    if private and any(address in network for network in _PRIVATE):
        return True
    return not any(address in network for network in _SPECIAL)
