"""Types for rows: a struct of the labels as the YAML cuts them, decoded where a type can say it.

A number that a static map names is an enum, an address has the typedef of one, text is an array of
``char``. Other labels are numbers, or bytes in hex.
"""

from collections.abc import Sequence
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter, Member
from beepy.obj.exporter import Label

_INTEGERS: Final = {
    1: "unsigned char",
    2: "unsigned short",
    4: "unsigned int",
    8: "unsigned long long",
}
_ADDRESSES: Final = {4: "ipv4_addr", 16: "ipv6_addr"}


class LabelTypes:
    """Adds types of labels to those of an object, which may be None; ``btf`` returns all."""

    def __init__(self, base: Btf | None, name: str) -> None:
        self._base = base
        self._name = name
        self._writer = BtfWriter.after(base) if base else BtfWriter()
        self._byte = self._writer.integer("unsigned char", 1, 0)
        self._char = self._writer.integer("char", 1)
        self._integers = {
            size: self._writer.integer(name, size, 0) for size, name in _INTEGERS.items()
        }

    def number(self, size: int) -> TypeId:
        """Return the type of an unsigned number."""
        return self._integers[size]

    def record(self, labels: Sequence[Label], size: int) -> TypeId:
        """Return a struct of ``size`` bytes with a member for each label."""
        members: list[Member] = []
        at = 0
        for label in labels:
            if at + label.size <= size:
                members.append((label.name, self._label(label), 8 * at))
            at += label.span
        return self._writer.struct("", size, members)

    def btf(self) -> Btf:
        """Return all types."""
        return Btf(self._writer.data(), self._base, self._base.name if self._base else self._name)

    def _label(self, label: Label) -> TypeId:
        names = [step.name for step in label.steps]
        size = label.size
        if names[0] in {"string", "dname"}:
            return self._writer.array(self._char, size)
        if names[0] == "inet_ip" and size in _ADDRESSES:
            return self._writer.typedef(_ADDRESSES[size], self._writer.array(self._byte, size))
        if names == ["uint", "static_map"] and size in _INTEGERS:
            return self._enum(label)
        if names[0] not in {"hex", "inet_ip", "kstack"} and size in _INTEGERS:
            return self._integers[size]
        return self._writer.array(self._byte, size)

    def _enum(self, label: Label) -> TypeId:
        """Return an enum of the numbers in a static map.

        Its name has a blank, so that it is no enum of the kernel.
        """
        most = 1 << 8 * label.size
        values = {
            text: int(key)
            for key, text in label.steps[-1].static_map or ()
            if key.isascii() and key.isdigit() and str(int(key[:20])) == key and int(key) < most
        }
        if not values:
            return self._integers[label.size]
        name = f"label {label.name}"
        if label.size <= 4:
            return self._writer.enum(name, values, label.size)
        return self._writer.enum64(name, values, label.size)
