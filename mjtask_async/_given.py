"""What callers give a session to send with: addresses, and a session of their own."""

from typing import Any

import aiohttp
from yarl import URL

from .errors import ConfigurationError


def check_address(url: URL) -> URL:
    """Check that a request can go there.

    Raises:
        ValueError: It cannot, or it would carry credentials of its own.
    """
    if url.scheme not in {"http", "https"} or not url.host or url.user is not None:
        raise ValueError(url)
    url.host.encode("idna")
    return url


def origin_of(root: str) -> URL:
    """Read the origin of a server's address.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        return check_address(URL(root)).origin()
    except ValueError as error:
        raise ConfigurationError(f"base_url is no address of a server: {error}") from None


def check_proxy(proxy: str) -> None:
    """Check the address of a proxy.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        check_address(URL(proxy).with_user(None))
    except (TypeError, ValueError):
        message = "proxy is no address of an HTTP proxy, such as http://127.0.0.1:8080"
        raise ConfigurationError(message) from None


def check_borrowed(http: Any) -> None:
    """Check that a caller's session sends no credentials of its own.

    Raises:
        ConfigurationError: It does, or it is none.
    """
    if not isinstance(http, aiohttp.ClientSession):
        kind = type(http).__name__
        raise ConfigurationError(f"http is no aiohttp.ClientSession, but {kind}; give one or None")
    for name in ("Authorization", "mj-api-secret"):
        if name in http.headers:
            raise ConfigurationError(
                f"the ClientSession given as http= sends a default {name} header; "
                "leave it out there, the session sends its own"
            )
    if http.auth is not None:
        raise ConfigurationError("the ClientSession given as http= has auth=; leave it out there")
