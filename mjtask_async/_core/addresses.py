"""Which addresses a picture may come from: links come from servers, and lead anywhere."""

from collections.abc import Collection
from ipaddress import ip_address

from ..errors import DownloadError


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
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None) or found
    if not (found.is_global and inner.is_global) or found.is_multicast:
        raise DownloadError(
            f"{host} is {address}, an address of a private network, and not the API's own; "
            "allow the host by name if you trust it"
        )
