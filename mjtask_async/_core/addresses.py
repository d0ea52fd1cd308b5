"""Which addresses a picture may come from: links come from servers, and lead anywhere."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ..errors import DownloadError

_HOLDS_IPV4 = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""Translated (NAT64, RFC 6052) and compatible (RFC 4291) addresses: the last 32 bits count."""


def literal(host: str) -> str | None:
    """Give a host that is an address by itself; None for a name."""
    try:
        ip_address(host)
    except ValueError:
        return None
    return host


def check_host(host: str, own: str | None, allowed: Collection[str]) -> bool:
    """Whether a host may be asked wherever its name leads: the API's own, or one allowed."""
    name = host.lower().rstrip(".")
    return name == (own and own.lower()) or name in {each.lower() for each in allowed}


def check_reachable(address: str, host: str) -> None:
    """Refuse an address inside a network.

    Raises:
        DownloadError: It is not a public one.
    """
    found = ip_address(address.partition("%")[0])
    if not all(each.is_global and not each.is_multicast for each in (found, *_inside(found))):
        raise DownloadError(
            f"{host} is {address}, an address of a private network, and not the API's own; "
            "allow the host by name if you trust it"
        )


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """List the addresses that a gateway may make of another one."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _HOLDS_IPV4):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
