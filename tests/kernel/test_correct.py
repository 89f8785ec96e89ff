"""What beepy.btf.correct writes, given to the kernel: it refuses each of these types as it was."""

from collections.abc import Callable

import pytest

from beepy.btf.btf import Btf
from beepy.btf.correct import corrected
from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError
from beepy.kernel import btf

pytestmark = pytest.mark.kernel


def generic(w: BtfWriter, number: int) -> None:
    w.struct("Option<u8>", 4, [("0", number, 0)])


def pointer(w: BtfWriter, number: int) -> None:
    w.add(Kind.PTR, "*u8", number)


def const(w: BtfWriter, number: int) -> None:
    w.add(Kind.CONST, "const u8", number)


def encodings(w: BtfWriter, number: int) -> None:
    del number
    w.integer("char", 1, 3)


def order(w: BtfWriter, number: int) -> None:
    w.struct("Reordered", 8, [("a", number, 32), ("b", number, 0)])


def nameless(w: BtfWriter, number: int) -> None:
    w.typedef("", number)


def enumerator(w: BtfWriter, number: int) -> None:
    del number
    w.enum("Result", {"Ok(())": 0})


def function(w: BtfWriter, number: int) -> None:
    w.func("core::fmt", w.func_proto(number, [("&self", number)]))


def variable(w: BtfWriter, number: int) -> None:
    w.datasec(".data", 4, [(w.var("my var", number), 0, 4)])


@pytest.mark.parametrize(
    "add", [generic, pointer, const, encodings, order, nameless, enumerator, function, variable]
)
def test_the_kernel_takes_what_it_refused(add: Callable[[BtfWriter, int], None]) -> None:
    w = BtfWriter()
    add(w, w.integer("int", 4))
    found = Btf(w.data())
    with pytest.raises(KernelError):
        btf.load(found.data)
    btf.load(corrected(found).data).close()
