"""Objects with programs of several kinds for one point."""

import pytest

from beepy.conventions import variants
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec
from tests.support.specs import program


def notices(*sections: str) -> list[str]:
    """Return what is said of programs of these sections, called a, b, ..."""
    named = zip("abcdefghijklmnop", sections, strict=False)
    programs = [program(Insn(op.EXIT), name=name)._replace(section=text) for name, text in named]
    return list(variants.of(CollectionSpec("o", "GPL", tuple(programs), (), (), (), None)))


def test_one_of_each_kind_is_advised() -> None:
    sections = ("raw_tp/x", "tp_btf/x", "kprobe/f", "fentry/f", "kretprobe/f", "fexit/f")
    (line,) = notices(*sections)
    assert line == (
        "programs 'b' and 'a' attach to x (and so at 2 more points): "
        "their tool may load one of them, and events may be counted twice: "
        "--prog b --prog d --prog f loads one for each"
    )
    (line,) = notices("tracepoint/sched/x", "raw_tracepoint/x", *["tp/a/b"] * 9)
    assert line.endswith("events may be counted twice: --prog chooses")


@pytest.mark.parametrize(
    "sections",
    [
        (),
        ("kprobe/f", "kretprobe/f", "fexit/g"),
        ("kprobe/f", "kprobe/f"),
        ("raw_tp/x", "tp_btf/y", "?tp_btf/x"),
        ("raw_tp", "tp_btf", "xdp", "lsm/f", "fmod_ret/f", "fentry/f", "unknown/f"),
    ],
)
def test_nothing_is_said_of_others(sections: tuple[str, ...]) -> None:
    assert notices(*sections) == []
