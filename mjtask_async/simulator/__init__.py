"""An in-process server that behaves as midjourney-proxy-compatible servers were seen to behave.

`Simulator` is an async context manager that serves one of `PROFILES` on loopback.
It follows the servers and never this package's client, so a test against it tells
something about the servers. Names are loaded when first used.

The profiles:

- ``new-api``: today's new-api in front of a server like trueai's, what resellers run;
- ``new-api-2025``: the new-api of 2025, which resellers' documents show;
- ``one-hub``: one-hub in front of a server like trueai's;
- ``trueai``: trueai-org/midjourney-proxy, asked directly;
- ``novicezk``: novicezk/midjourney-proxy, asked directly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import Simulator
    from .faults import Fault
    from .profiles import PROFILES
    from .records import AcceptedTask, Change, RequestRecord
    from .threaded import run_in_thread
    from .timeline import Step

__all__ = [
    "PROFILES",
    "AcceptedTask",
    "Change",
    "Fault",
    "RequestRecord",
    "Simulator",
    "Step",
    "run_in_thread",
]

_HOMES = {
    "PROFILES": "profiles",
    "AcceptedTask": "records",
    "Change": "records",
    "Fault": "faults",
    "RequestRecord": "records",
    "Simulator": "app",
    "Step": "timeline",
    "run_in_thread": "threaded",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
