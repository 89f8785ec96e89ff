"""Specs of objects that have maps only."""

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.obj.spec import CollectionSpec, MapSpec


def spec(*maps: MapSpec, writer: BtfWriter | None = None) -> CollectionSpec:
    btf = Btf(writer.data(), name="object") if writer else None
    return CollectionSpec("exitsnoop:1", "GPL", (), maps, (), (), btf)
