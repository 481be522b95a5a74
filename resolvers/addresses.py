"""Which internet addresses a URL that somebody gave us may lead to: public ones, and none that lead back into our own network.

Refused are the addresses of the IANA special-purpose registries that are not globally reachable
(https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry), multicast,
those that carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64), and those at which clouds tell their machines secrets. Python's own
`is_global` is not used: what it says differs between its releases.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_REFUSED_IPV4: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and 100.100.100.200, where Alibaba's metadata are
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own, for its machines
        "169.254.0.0/16",  # link-local, and 169.254.169.254, where most clouds' metadata are
        "172.16.0.0/12",
        "192.0.0.0/24",  # and 192.0.0.192, where Oracle's metadata were
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

_UNICAST_IPV6: Final = ip_network("2000::/3")
"""All that is given out for use on the internet; what lies outside is loopback, local, multicast, mapped, NAT64 or not in use."""

_REFUSED_IPV6: Final = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet. What is no address is not public."""
    parsed = parsed_address(address)
    if parsed is None:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _REFUSED_IPV4)
    return parsed in _UNICAST_IPV6 and not any(parsed in network for network in _REFUSED_IPV6)


def parsed_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is in its usual form, None for any other text: a name, or the odd forms that old libraries read."""
    try:
        return ip_address(text)
    except ValueError:
        return None
