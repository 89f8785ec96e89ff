import pytest

from beepy.btf.types import TypeId
from beepy.errors import BtfError
from beepy.events.schemas import of_tracked
from beepy.obj.spec import MapSpec, Role, Tracked
from beepy.uapi import MapType
from tests.support.specs import spec


def test_a_schema_needs_types() -> None:
    with pytest.raises(BtfError, match="no type information"):
        of_tracked(
            spec(MapSpec("a", ".maps", MapType.RINGBUF)), Tracked("a", Role.PRINT, TypeId(1))
        )
