import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.collection import structops
from beepy.errors import ElfError
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.uapi import MapType


@pytest.mark.parametrize("btf", [None, Btf(BtfWriter().data())])
def test_a_map_of_operations_without_any(btf: Btf | None) -> None:
    one = MapSpec(
        "m", ".maps", MapType.STRUCT_OPS, key_size=4, value_size=4, max_entries=1, flags=0
    )
    with pytest.raises(
        ElfError, match=r"^map 'm': type struct_ops: its value is not a struct of operations$"
    ):
        structops.plan(CollectionSpec("x", "GPL", (), (one,), (), (), btf))
