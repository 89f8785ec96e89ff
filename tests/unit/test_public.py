"""The public names: all there, all true, and none of them costs anything until it is used."""

import ast
import inspect
import pkgutil
import subprocess
import sys
import typing
from importlib import import_module
from pathlib import Path

import pytest

import beepy
from beepy.api import OpenOptions

ROOT = Path(__file__).parents[2]


KERNEL_SIDE = {
    f"beepy.{room}" for room in ("collection", "hooks", "host", "kernel", "maps", "streams", "sys")
}
ROOMS = {name: module for module, names in beepy._MODULES.items() for name in names.split()}
MODULES = [
    module.name
    for module in pkgutil.walk_packages(beepy.__path__, "beepy.")
    if module.name != "beepy.__main__"
]


def test_all_is_sorted() -> None:
    assert beepy.__all__ == sorted(set(beepy.__all__))


@pytest.mark.parametrize("name", ROOMS)
def test_a_name_is_what_its_room_has(name: str) -> None:
    found = getattr(beepy, name)
    assert found is getattr(import_module(ROOMS[name]), name)
    assert found.__doc__
    assert found.__module__.startswith("beepy.")


def test_no_other_names() -> None:
    assert set(beepy.__all__) == {*ROOMS, "__version__"}
    assert dir(beepy) == beepy.__all__
    with pytest.raises(AttributeError, match="module 'beepy' has no attribute 'nothing'"):
        getattr(beepy, "nothing")  # noqa: B009 - type checkers know that it is not there


def test_type_checkers_see_the_names_where_they_are() -> None:
    tree = ast.parse(Path(beepy.__file__).read_text())
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == ROOMS


def test_every_public_error_is_there() -> None:
    errors = import_module("beepy.errors")
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {one.__name__ for one in classes if issubclass(one, errors.BeepyError)} <= set(
        beepy.__all__
    )


def test_no_module_replaces_a_name() -> None:
    """Importing a submodule sets an attribute of the package."""
    script = f"""
import importlib, beepy
for module in {MODULES}:
    importlib.import_module(module)
rooms = {ROOMS}
for name, module in rooms.items():
    assert getattr(beepy, name) is getattr(importlib.import_module(module), name), name
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_the_options_of_run_are_those_of_open() -> None:
    parameters = inspect.signature(beepy.open).parameters
    hints = typing.get_type_hints(beepy.open)
    keywords = {
        name: hints[name]
        for name in parameters
        if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert typing.get_type_hints(OpenOptions) == keywords


def test_the_version_is_the_distributions() -> None:
    assert f'version = "{beepy.__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("code", "unread"),
    [
        ("import beepy", {"beepy."}),
        ("from beepy import Decoder", {"beepy.kernel", "beepy.oci", "beepy.cli", "beepy.streams"}),
        ("from beepy import find", {"beepy.kernel", "beepy.obj", "beepy.btf", "beepy.cli", "oras"}),
        ("import beepy.analysis.describe, beepy.sections, beepy.features", KERNEL_SIDE),
        ("import beepy.session, beepy.outputs.jsonl", KERNEL_SIDE),
        ("from beepy import parse", {"beepy.kernel", "beepy.hooks", "beepy.cli", "elftools.dwarf"}),
    ],
)
def test_a_name_reads_its_own_room(code: str, unread: set[str]) -> None:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    loaded = ran.stdout.split()
    assert "beepy" in loaded
    assert [name for name in loaded if name.startswith(tuple(unread))] == []
