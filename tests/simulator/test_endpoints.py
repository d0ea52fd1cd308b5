"""Every endpoint on every profile, as the matrix of contract 1.3 has it."""

import json
from typing import Any

import pytest

from mjtask_async.simulator import PROFILES, Step
from mjtask_async.simulator.exchange import ENDPOINTS

from .conftest import Caller, Reply, calling

N, T, A, A2, H = "novicezk", "trueai", "new-api-2025", "new-api", "one-hub"
ALL = (N, T, A, A2, H)
DIRECT, RELAYS = (N, T), (A, A2, H)
BUTTONED = (T, *RELAYS)
MATRIX: dict[str, tuple[str, ...]] = {
    "task/{id}/fetch": ALL,
    "task/list-by-condition": ALL,
    "task/list-by-ids": (T,),
    "task/list": DIRECT,
    "task/queue": (N,),
    "task/{id}/image-seed": BUTTONED,
    "task/{id}/cancel": (T,),
    "submit/imagine": ALL,
    "submit/blend": ALL,
    "submit/describe": ALL,
    "submit/shorten": BUTTONED,
    "submit/change": (N, *RELAYS),
    "submit/simple-change": (N, *RELAYS),
    "submit/action": BUTTONED,
    "submit/modal": BUTTONED,
    "submit/edit": (T,),
    "submit/edits": (T, A2),
    "submit/retexture": (T,),
    "submit/video": (T, A2),
    "submit/upload-discord-images": BUTTONED,
    "insight-face/swap": BUTTONED,
    "insight-face/video-swap": (T,),
    "notify": (A, H),
    "image/{id}": RELAYS,
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
BODIES: dict[str, dict[str, Any]] = {
    "task/list-by-condition": {"ids": ["17"]},
    "task/list-by-ids": {"ids": ["17"]},
    "submit/imagine": {"prompt": "a cat"},
    "submit/blend": {"base64Array": [PIXEL, PIXEL], "dimensions": "SQUARE"},
    "submit/describe": {"base64": PIXEL},
    "submit/shorten": {"prompt": "a very very long cat"},
    "submit/change": {"taskId": "17", "action": "UPSCALE", "index": 1},
    "submit/simple-change": {
        "content": "17 V2",
        "taskId": "17",
        "action": "VARIATION",
        "index": 2,
    },
    "submit/action": {"taskId": "17", "customId": "MJ::JOB::upsample::1::x"},
    "submit/modal": {"taskId": "18", "prompt": "a hat"},
    "submit/edit": {"prompt": "a hat", "image": PIXEL},
    "submit/edits": {"prompt": "a hat", "image": PIXEL},
    "submit/retexture": {"prompt": "a hat", "image": "http://example.com/a.png"},
    "submit/video": {"prompt": "it moves", "image": PIXEL, "motion": "low"},
    "submit/upload-discord-images": {"base64Array": [PIXEL]},
    "insight-face/swap": {"sourceBase64": PIXEL, "targetBase64": PIXEL},
    "notify": {"id": "17", "status": "SUCCESS", "progress": "100%"},
}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=X"}


async def ask(caller: Caller, endpoint: str) -> Reply:
    """Ask an endpoint about a finished task, or a waiting one for a modal."""
    caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
    caller.sim.plant("18", [Step(at=0, status="MODAL")])
    if "17" not in (await caller.fetch("17")).text or caller.sim.profile in RELAYS:
        await caller.wait("17")
    path = f"/mj/{endpoint.format(id=17)}"
    if ENDPOINTS[endpoint] == "GET":
        return await caller.get(path)
    if endpoint == "insight-face/video-swap":
        return await caller.post(path, "--X--\r\n", MULTIPART)
    return await caller.post(path, json.dumps(BODIES.get(endpoint, {})))


def is_accepted(endpoint: str, reply: Reply) -> bool:
    if endpoint.startswith(("submit/", "insight-face/")) or endpoint.endswith("image-seed"):
        return bool(json.loads(reply.body)["code"] == 1)
    return reply.status == 200 and not reply.body.startswith(b"<")


def is_unrouted(profile: str, reply: Reply) -> bool:
    """Contract 1.3: N 404, T 404, A/H 200 HTML."""
    if profile in RELAYS:
        return reply.status == 200 and reply.body.startswith(b"<!doctype html>")
    return reply.status == 404


def test_the_matrix_names_every_endpoint() -> None:
    assert MATRIX.keys() == ENDPOINTS.keys()
    for name, profile in PROFILES.items():
        assert {end for end, names in MATRIX.items() if name in names} == profile.routes


@pytest.mark.parametrize("endpoint", MATRIX)
@pytest.mark.parametrize("profile", ALL)
async def test_an_endpoint_answers_where_it_is_routed(profile: str, endpoint: str) -> None:
    """Contract 1.3."""
    async with calling(profile=profile) as caller:
        reply = await ask(caller, endpoint)
        if profile in MATRIX[endpoint]:
            assert is_accepted(endpoint, reply), reply
        else:
            assert is_unrouted(profile, reply), reply
