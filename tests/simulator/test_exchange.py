import pytest

from mjtask_async.simulator import exchange
from mjtask_async.simulator.exchange import Place


@pytest.mark.parametrize(
    ("tail", "place"),
    [
        ("task/123/fetch", Place("task/{id}/fetch", "123")),
        ("task//fetch", Place("task/{id}/fetch", "")),
        ("task/list", Place("task/list")),
        ("task/list-by-condition", Place("task/list-by-condition")),
        ("image/123", Place("image/{id}", "123")),
        ("task/{id}/fetch", Place("task/{id}/fetch", "{id}")),
        ("submit/imagine", Place("submit/imagine")),
        ("submit/nothing", None),
        ("task/1/2/fetch", None),
        ("", None),
    ],
)
def test_a_path_leads_to_its_endpoint(tail: str, place: Place | None) -> None:
    assert exchange.place_of(tail.split("/")) == place


def test_the_query_is_no_part_of_the_path() -> None:
    assert exchange.path_of("/mj/a%2Fb?c=d%2F") == "/mj/a/b"
