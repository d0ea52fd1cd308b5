import gc
from collections.abc import Iterator
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from mjtask_async.testing import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run every async test on a loop on which waiting takes no time."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture(scope="session", autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail whatever blocks an event loop from inside the package."""
    with blockbuster_ctx("mjtask_async") as blocking_calls:
        locks = blocking_calls.functions["threading.Lock.acquire"]
        locks.can_block_in("coverage/collector.py", "lock_data")  # the tracer's, in every thread
        yield blocking_calls


@pytest.fixture(scope="session", autouse=True)
def _short_collections() -> None:
    """Let the many searches for garbage look at what tests make, and not at all modules."""
    gc.collect()
    gc.freeze()
