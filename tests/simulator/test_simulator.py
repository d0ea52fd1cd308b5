import pytest

from mjtask_async import simulator


def test_every_public_name_can_be_had() -> None:
    assert simulator.__all__ == sorted(
        simulator.__all__, key=lambda name: (not name.isupper(), name)
    )
    for name in simulator.__all__:
        assert getattr(simulator, name)
    assert set(simulator.__all__) <= set(dir(simulator))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = simulator.Nothing
