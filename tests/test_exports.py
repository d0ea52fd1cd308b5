"""What `mjtask_async` offers, and what importing it costs."""

import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import version

import pytest

import mjtask_async
from mjtask_async import errors, models, simulator

MODULES = {"errors", "models"}
HEAVY = {"aiohttp", "msgspec", "yarl", "anyio", "asyncio"}


def _loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and list the modules it has loaded."""
    listing = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", listing], capture_output=True, check=True)
    return set(run.stdout.decode().split())


def test_all_is_sorted_and_says_each_name_once() -> None:
    assert mjtask_async.__all__ == sorted(set(mjtask_async.__all__))


@pytest.mark.parametrize("name", mjtask_async.__all__)
def test_each_name_can_be_imported_and_is_the_same_each_time(name: str) -> None:
    value = getattr(mjtask_async, name)
    assert getattr(mjtask_async, name) is value
    if name not in MODULES and name != "ImageInput":  # an alias has no home and no docstring
        assert value.__module__.startswith("mjtask_async.")
        assert value.__doc__


def test_modules_are_exported_before_anyone_has_imported_them() -> None:
    code = "import mjtask_async; assert mjtask_async.{0}.__name__ == 'mjtask_async.{0}'"
    for name, module in (("errors", errors), ("models", models)):
        assert f"mjtask_async.{name}" in _loaded_by(code.format(name))
        assert mjtask_async.__getattr__(name) is module


def test_each_error_and_each_model_is_exported() -> None:
    for module in (errors, models):
        public = {
            name
            for name, value in inspect.getmembers(module, inspect.isclass)
            if value.__module__ == module.__name__ and not name.startswith("_")
        }
        assert public <= set(mjtask_async.__all__)


def test_dir_is_what_is_exported() -> None:
    assert set(dir(mjtask_async)) == {*mjtask_async.__all__, "__version__"}
    assert set(simulator.__all__) <= set(dir(simulator))


def test_the_version_is_the_distributions() -> None:
    assert mjtask_async.__version__ == version("mjtask_async")


@pytest.mark.parametrize("name", ["Nothing", "Transport", "wire", "T", "_no"])
def test_other_names_are_no_attributes(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'mjtask_async' has no attribute '{name}'"):
        getattr(mjtask_async, name)


def test_importing_the_package_loads_next_to_nothing() -> None:
    ours = {"mjtask_async"}
    loaded = _loaded_by("import mjtask_async")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("mjtask_async")} == ours


def test_importing_the_pytest_plugin_loads_nothing_but_pytest() -> None:
    before = _loaded_by("import pytest")
    after = _loaded_by("import pytest, mjtask_async.simulator.pytest_plugin")
    assert after - before == {
        "mjtask_async",
        "mjtask_async.simulator",
        "mjtask_async.simulator.pytest_plugin",
    }


def test_errors_and_models_need_no_aiohttp() -> None:
    loaded = _loaded_by("from mjtask_async import Task, MJTaskError, WatchLimits")
    assert not loaded & {"aiohttp", "anyio", "asyncio"}


def test_the_package_is_typed() -> None:
    assert pkgutil.get_data("mjtask_async", "py.typed") is not None
