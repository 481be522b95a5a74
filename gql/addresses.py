"""Where a request comes from, as far as that can be known."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

UNKNOWN: Final = "unknown"
"""All those whose address is not known are taken for one."""


_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_of_this_machine(scope: Scope) -> bool:
    """Whether a request came from this machine, and to it by a name of its own.

    The name is what a page of somebody else's lacks that has its own name resolved to this machine ("DNS rebinding").
    """
    name = re.sub(r":[0-9]+$", "", Headers(scope=scope).get("host", "").lower())
    address = address_of(scope)
    return address != UNKNOWN and ip_address(address).is_loopback and name in _OWN_NAMES


def address_of(scope: Scope) -> str:
    """The client's network address in its usual form.

    A proxy's word is taken where `TILLSTREAM_TRUSTED_PROXIES` names it: uvicorn has then put the client that it speaks for into the scope.
    """
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return UNKNOWN if address is None else str(address)
