"""Modules whose execution is delayed until an attribute is looked up."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from beepy.cli import deferred

Make = Callable[..., None]
NAMES = ("deferred_one", "deferred_two")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return a function that writes modules, by name, and defers them."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        deferred.defer(sources)

    yield write
    for name in NAMES:
        sys.modules.pop(name, None)
        deferred.pending.pop(name, None)


def test_the_first_attribute_lookup_executes_a_module(make: Make) -> None:
    make(deferred_one="value = []\n")
    one = importlib.import_module("deferred_one")
    assert isinstance(one, ModuleType)
    assert one.__name__ == "deferred_one"
    assert one.__spec__
    assert str(one.__file__).endswith("deferred_one.py")
    assert "value" not in vars(one)
    assert "deferred_one" in deferred.pending
    assert one.value == []
    assert "deferred_one" not in deferred.pending
    assert one.value is vars(one)["value"]  # read once
    assert importlib.import_module("deferred_one") is one


def test_from_imports_execute_a_module(make: Make) -> None:
    make(deferred_one="value = 3\n")
    namespace: dict[str, object] = {}
    exec("from deferred_one import value", namespace)
    assert namespace["value"] == 3


def test_an_unknown_attribute_is_an_attribute_error(make: Make) -> None:
    make(deferred_one="value = 3\n")
    one = importlib.import_module("deferred_one")
    for _ in range(2):
        with pytest.raises(AttributeError, match="module 'deferred_one' has no attribute 'other'"):
            _ = one.other
    assert one.value == 3


def test_a_modules_own_getattr_is_called(make: Make) -> None:
    make(deferred_one="def __getattr__(name):\n    return name.upper()\n")
    one = importlib.import_module("deferred_one")
    assert (one.first, one.second) == ("FIRST", "SECOND")


def test_two_modules_may_import_each_other(make: Make) -> None:
    make(
        deferred_one="import deferred_two\nbase = 1\ntotal = base + deferred_two.value\n",
        deferred_two="import deferred_one\nvalue = 10 * deferred_one.base\n",
    )
    assert importlib.import_module("deferred_one").total == 11


def test_threads_wait_for_the_one_that_executes_a_module(make: Make) -> None:
    make(deferred_one="import time\nfirst = 1\ntime.sleep(0.2)\nlast = []\n")
    one = importlib.import_module("deferred_one")
    together = threading.Barrier(8)
    values: list[object] = []

    def ask() -> None:
        together.wait()
        values.append(one.last)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [one.last] * 8
    assert all(value is one.last for value in values)


def test_an_error_in_a_module_is_raised_at_each_use(make: Make) -> None:
    make(deferred_one="raise ImportError('no library')\n")
    one = importlib.import_module("deferred_one")
    for _ in range(2):
        with pytest.raises(ImportError, match="no library"):
            _ = one.value


def test_an_interrupted_module_is_executed_again(make: Make) -> None:
    body = "first = 1\nif stops:\n    raise KeyboardInterrupt\nlast = 2\n"
    make(
        deferred_one=f"from deferred_two import stops\n{body}",
        deferred_two="stops = True\n",
    )
    one, two = map(importlib.import_module, ("deferred_one", "deferred_two"))
    with pytest.raises(KeyboardInterrupt):
        _ = one.last
    vars(two)["stops"] = False
    assert (one.first, one.last) == (1, 2)


def test_threads_that_import_each_others_modules_do_not_deadlock(
    make: Make, tmp_path: Path
) -> None:
    """One imports a module that uses a deferred one; the other uses one that imports it."""
    (tmp_path / "plain_one.py").write_text(
        "import time\ntime.sleep(0.2)\nimport deferred_one\nvalue = deferred_one.value\n"
    )
    source = "import time\ntime.sleep(0.1)\nimport plain_one\nvalue = plain_one.value + 1\n"
    make(
        deferred_one="value = 1\n",
        deferred_two=source,
    )
    values: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: values.append(importlib.import_module("plain_one").value), daemon=True
        ),
        threading.Thread(
            target=lambda: values.append(importlib.import_module("deferred_two").value), daemon=True
        ),
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(values) == [1, 2]
    finally:
        sys.modules.pop("plain_one", None)


def test_a_module_without_its_c_part_is_not_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bz2", raising=False)
    monkeypatch.setattr(deferred, "_C_PART", {"bz2": "no_such_module_here"})
    deferred.defer(["bz2"])
    assert "bz2" not in sys.modules


def test_imported_and_missing_modules_are_not_deferred() -> None:
    before = dict(sys.modules)
    deferred.defer(["pathlib", "no_such_module_here"])
    assert sys.modules == before
