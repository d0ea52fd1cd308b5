import json

import pytest

from .conftest import JSON, Reply, calling

LIST = "/mj/task/list-by-condition"
IMAGINE = "/mj/submit/imagine"
UNAUTHORIZED = (401, b"")


def outcome(reply: Reply) -> tuple[int, bytes]:
    return reply.status, reply.body


@pytest.mark.parametrize("path", ["/mj/task/1/fetch", "/mj/task/none", "/mj/account/list"])
@pytest.mark.parametrize(
    "headers", [{}, {"mj-api-secret": "x"}, {"Authorization": "Bearer sk-test"}]
)
async def test_a_wrong_secret_is_401_without_a_word(path: str, headers: dict[str, str]) -> None:
    """Contract 1.1, N: empty body, no content type; Authorization is ignored."""
    async with calling(profile="novicezk", api_key="sk-test") as caller:
        reply = await caller.raw("GET", path, headers)
        assert outcome(reply) == UNAUTHORIZED
        assert "Content-Type" not in reply.headers


async def test_a_wrong_method_precedes_a_wrong_secret() -> None:
    """Contract 1.1, N."""
    async with calling(profile="novicezk") as caller:
        reply = await caller.raw("GET", LIST, {})
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")


async def test_an_unknown_id_is_200_without_a_body() -> None:
    """Contract 2.1, N."""
    async with calling(profile="novicezk") as caller:
        reply = await caller.fetch("1")
        assert outcome(reply) == (200, b"")
        assert reply.headers["Content-Length"] == "0"
        assert "Content-Type" not in reply.headers


async def test_a_trailing_slash_makes_no_difference() -> None:
    """Contract 2.1, N."""
    async with calling(profile="novicezk") as caller:
        task_id = json.loads((await caller.imagine()).body)["result"]
        assert (await caller.get(f"/mj/task/{task_id}/fetch/")).body


async def test_head_is_answered_like_get() -> None:
    async with calling(profile="novicezk") as caller:
        reply = await caller.raw("HEAD", "/mj/task/1/fetch", caller.key)
        assert outcome(reply) == (200, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mj/task/1/cancel", 404),
        ("/mj/task//fetch", 404),
        ("/mj/nothing", 404),
        ("/mj-fast/mj/task/1/fetch", 404),
        ("/", 404),
        ("/mj/task/%5C/fetch", 400),
        ("/mj/task/" + "1" * 8200 + "/fetch", 400),
    ],
)
async def test_unknown_and_malformed_paths_are_errors(path: str, status: int) -> None:
    """Contract 1.2, 1.3 and 2.1, N."""
    async with calling(profile="novicezk") as caller:
        assert (await caller.get(path)).status == status


async def test_the_root_is_redirected() -> None:
    async with calling(profile="novicezk") as caller:
        reply = await caller.get("/mj")
        assert (reply.status, reply.headers["Location"]) == (302, f"{caller.sim.base_url}/mj/")


async def test_errors_come_in_the_shape_that_is_accepted() -> None:
    """Contract 4.3."""
    async with calling(profile="novicezk") as caller:
        plain = await caller.get("/mj/nothing", {"Accept": "application/*"})
        page = await caller.get("/mj/nothing", {"Accept": "text/html, */*"})
        empty = await caller.get("/mj/nothing", {"Accept": "image/png"})
        assert list(json.loads(plain.body)) == ["timestamp", "status", "error", "path"]
        assert b"Whitelabel Error Page" in page.body
        assert outcome(empty) == (404, b"")


async def test_what_is_not_accepted_is_done_all_the_same() -> None:
    """Contract 4.3: 200s become 406."""
    async with calling(profile="novicezk") as caller:
        reply = await caller.post(IMAGINE, '{"prompt":"cat"}', JSON | {"Accept": "text/css"})
        assert outcome(reply) == (406, b"")
        assert len(caller.sim.accepted) == 1


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ("{}", ()),
        ('{"ids":null}', ()),
        ('{"ids":""}', ()),
        ('{"ids":["1",2,true,1.5,null]} x', ("1", "2", "true", "1.5")),
    ],
)
async def test_a_list_takes_what_jackson_would(body: str, ids: tuple[str, ...]) -> None:
    """Contract 1.4: numbers and booleans become texts."""
    async with calling(profile="novicezk") as caller:
        assert outcome(await caller.post(LIST, body)) == (200, b"[]")
        assert caller.sim.requests[-1].ids == ids


@pytest.mark.parametrize("body", ["[]", "{", '{"ids":"1"}', '{"ids":[{}]}', '{"ids":[[]]}', '"x"'])
async def test_a_list_refuses_what_jackson_would(body: str) -> None:
    """Contract 1.4."""
    async with calling(profile="novicezk") as caller:
        reply = await caller.post(LIST, body)
        assert reply.status == 400
        assert reply.headers["Connection"] == "close"
        assert caller.sim.requests[-1].ids == ()


async def test_a_submit_turns_scalars_into_texts() -> None:
    """Contract 1.4."""
    async with calling(profile="novicezk") as caller:
        body = '{"prompt":12,"state":true,"base64Array":""}'
        assert (
            await caller.post(IMAGINE, body, {"Content-Type": "application/x+json"})
        ).status == 200
        [task] = caller.sim.accepted
        assert (task.prompt, task.state) == ("12", "true")


async def test_null_among_the_pictures_is_the_servers_own_failure() -> None:
    """Contract 4.3: 500 also answers the caller's mistakes."""
    async with calling(profile="novicezk") as caller:
        assert (await caller.post(IMAGINE, '{"prompt":"x","base64Array":[null]}')).status == 500


async def test_a_connection_serves_a_hundred_requests() -> None:
    """Contract 4.3: keep-alive."""
    async with calling(profile="novicezk") as caller:
        replies = [await caller.fetch("1") for _ in range(101)]
        closed = [number for number, reply in enumerate(replies) if "Connection" in reply.headers]
        assert closed == [99]


async def test_a_server_reached_directly_has_no_images_of_its_own() -> None:
    async with calling(profile="novicezk") as caller:
        assert (await caller.get("/mj/image/1")).status == 404
        assert caller.sim._desk.backend.image("1", 0) == (None, None)
