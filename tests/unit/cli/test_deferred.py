"""Modules that are read when something is first asked of them."""

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
    """Write modules, by name, and defer them."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        deferred.defer(sources)

    yield write
    for name in NAMES:
        sys.modules.pop(name, None)
        deferred.unread.pop(name, None)


def test_a_module_is_read_when_something_is_first_asked_of_it(make: Make) -> None:
    make(deferred_one="value = []\n")
    one = importlib.import_module("deferred_one")
    assert isinstance(one, ModuleType)
    assert one.__name__ == "deferred_one"
    assert one.__spec__
    assert str(one.__file__).endswith("deferred_one.py")
    assert "value" not in vars(one)
    assert "deferred_one" in deferred.unread
    assert one.value == []
    assert "deferred_one" not in deferred.unread
    assert one.value is vars(one)["value"]  # read once
    assert importlib.import_module("deferred_one") is one


def test_a_name_can_be_imported_from_it(make: Make) -> None:
    make(deferred_one="value = 3\n")
    found: dict[str, object] = {}
    exec("from deferred_one import value", found)
    assert found["value"] == 3


def test_what_it_lacks_is_an_attribute_error(make: Make) -> None:
    make(deferred_one="value = 3\n")
    one = importlib.import_module("deferred_one")
    for _ in range(2):
        with pytest.raises(AttributeError, match="module 'deferred_one' has no attribute 'other'"):
            _ = one.other
    assert one.value == 3


def test_its_own_getattr_answers(make: Make) -> None:
    make(deferred_one="def __getattr__(name):\n    return name.upper()\n")
    one = importlib.import_module("deferred_one")
    assert (one.first, one.second) == ("FIRST", "SECOND")


def test_two_that_import_each_other_are_read(make: Make) -> None:
    make(
        deferred_one="import deferred_two\nbase = 1\ntotal = base + deferred_two.value\n",
        deferred_two="import deferred_one\nvalue = 10 * deferred_one.base\n",
    )
    assert importlib.import_module("deferred_one").total == 11


def test_threads_wait_for_the_one_that_reads_it(make: Make) -> None:
    make(deferred_one="import time\nfirst = 1\ntime.sleep(0.2)\nlast = []\n")
    one = importlib.import_module("deferred_one")
    together = threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        together.wait()
        found.append(one.last)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [one.last] * 8
    assert all(each is one.last for each in found)


def test_an_error_in_it_is_raised_where_it_is_first_used(make: Make) -> None:
    make(deferred_one="raise ImportError('no library')\n")
    one = importlib.import_module("deferred_one")
    for _ in range(2):
        with pytest.raises(ImportError, match="no library"):
            _ = one.value


def test_what_was_interrupted_is_read_again(make: Make) -> None:
    make(
        deferred_one="from deferred_two import stops\nfirst = 1\nif stops:\n    raise KeyboardInterrupt\nlast = 2\n",
        deferred_two="stops = True\n",
    )
    one, two = map(importlib.import_module, ("deferred_one", "deferred_two"))
    with pytest.raises(KeyboardInterrupt):
        _ = one.last
    vars(two)["stops"] = False
    assert (one.first, one.last) == (1, 2)


def test_threads_that_read_and_import_one_another_s_modules(make: Make, tmp_path: Path) -> None:
    """One imports a module that asks a deferred one; the other reads a deferred one that imports the same module."""
    (tmp_path / "plain_one.py").write_text(
        "import time\ntime.sleep(0.2)\nimport deferred_one\nvalue = deferred_one.value\n"
    )
    make(
        deferred_one="value = 1\n",
        deferred_two="import time\ntime.sleep(0.1)\nimport plain_one\nvalue = plain_one.value + 1\n",
    )
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(importlib.import_module("plain_one").value), daemon=True),
        threading.Thread(target=lambda: found.append(importlib.import_module("deferred_two").value), daemon=True),
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(found) == [1, 2]
    finally:
        sys.modules.pop("plain_one", None)


def test_what_lacks_its_c_part_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bz2", raising=False)
    monkeypatch.setattr(deferred, "_C_PART", {"bz2": "no_such_module_here"})
    deferred.defer(["bz2"])
    assert "bz2" not in sys.modules


def test_what_is_imported_already_and_what_is_not_here_stay_as_they_are() -> None:
    before = dict(sys.modules)
    deferred.defer(["pathlib", "no_such_module_here"])
    assert sys.modules == before
