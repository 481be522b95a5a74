"""Where a request comes from, as far as that can be known."""

from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.types import Scope

UNKNOWN: Final = "unknown"
"""All those whose address is not known are taken for one."""


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
