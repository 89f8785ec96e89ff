"""A kind of BTF is one row of ``Kind`` and one class; readers derive the rest from the row."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, get_args

import pytest

import beepy
from beepy.btf import layout, types
from beepy.btf.btf import Btf
from beepy.btf.types import KINDS, Kind
from beepy.btf.writer import BtfWriter

_PACKAGE: Final = Path(beepy.__file__).parent

_NEW_KIND: Final = """
from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter

writer = BtfWriter()
first = writer.add(Kind.NEW, "new", 0, [1, 2, 3], vlen=2)
flagged = writer.add(Kind.NEW, "new___2", 0, [1], flag=True)
last = writer.integer("int")
btf = Btf(writer.data())
assert btf.named("new") == (first,)
assert btf.named("new___2") == (flagged,)
assert btf.flavors(["new"]) == {"new": [first, flagged]}
assert btf.find("int", Kind.INT) == last
assert [btf.kind(type_id) for type_id in btf.ids()] == [Kind.NEW, Kind.NEW, Kind.INT]
try:
    btf.type(first)
except AssertionError:  # assert_never, where mypy asks for the class of the kind
    print("named")
"""


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("kind", KINDS.values())
def test_a_type_of_each_kind_is_found(kind: Kind, flag: bool) -> None:
    writer = BtfWriter()
    writer.integer()
    vlen = 2 if kind.each else 0
    words = [0] * (kind.item(vlen) - 3)
    first = writer.add(kind, "name", 0, words, vlen=vlen, flag=flag)
    last = writer.add(kind, "name___x", 0, words, vlen=vlen, flag=flag)
    btf = Btf(writer.data())
    assert btf.named("name") == (first,)
    assert btf.flavors(["name"]) == {"name": [first, last]}
    assert btf.ids_by_names(["name"], kind) == [first]
    assert (btf.find("name", kind), btf.kind(last), len(btf)) == (first, kind, 4)


def test_each_kind_has_a_class() -> None:
    built = []
    for kind in KINDS.values():
        writer = BtfWriter()
        type_id = writer.add(kind, "name", 0, [0] * (kind.fixed - 3))
        built.append(type(Btf(writer.data()).type(type_id)))
    assert {*built, types.Void} == set(get_args(types.Type))
    assert len(set(built)) == len(KINDS) == len(Kind) - 1


def test_layout_looks_through_all_modifiers() -> None:
    assert set(layout._MODS_AND_TYPEDEFS) == set(get_args(types.Modifier))


def test_the_row_of_a_new_kind_suffices_to_find_its_types(tmp_path: Path) -> None:
    """Add a kind as a developer does, by one row of ``Kind``; mypy then asks for the class."""
    shutil.copytree(_PACKAGE, tmp_path / "beepy", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "beepy" / "btf" / "types.py"
    text, row = source.read_text(), "    ENUM64 = 19, 3, 3\n"
    assert row in text
    source.write_text(text.replace(row, f"{row}    NEW = {len(Kind)}, 4, 1\n"))
    done = subprocess.run(
        [sys.executable, "-c", _NEW_KIND],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "named\n", "")
