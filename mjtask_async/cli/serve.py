"""The simulated server in the foreground."""

import anyio

from ..simulator import Simulator
from .render import exports
from .screen import Screen


async def simulate(screen: Screen, *, profile: str, speed: float, port: int) -> None:
    """Serve on loopback until interrupted."""
    async with Simulator(profile=profile, speed=speed, port=port) as simulator:
        screen.say(f"Simulating {profile} at {speed:g} times real speed. Ctrl-C ends it.")
        screen.say("To use it, run in another terminal:\n")
        variables = {"MJ_BASE_URL": simulator.base_url, "MJ_API_KEY": simulator.api_key}
        screen.result(exports(variables), variables)
        await anyio.sleep_forever()
