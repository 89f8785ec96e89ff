"""The lines on stderr when everything is attached, also when nothing will be shown."""

import pytest

from beepy.cli import opening
from beepy.obj.insn import CALL, Insn
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.oci.image import Image
from beepy.oci.lookup import bundled_store
from beepy.uapi import MapType

DESCRIPTION = "org.opencontainers.image.description"
TITLE = "org.opencontainers.image.title"


def image(name: str = "tool", **annotations: str) -> Image:
    known = {"description": DESCRIPTION, "title": TITLE}
    return Image(
        name, "", "", {known[key]: text for key, text in annotations.items()}, 0, "bee", {}, (b"",)
    )


@pytest.mark.parametrize(
    ("limit", "timeout", "end"),
    [
        (None, None, "Ctrl-C ends"),
        (1, None, "ends after 1 row"),
        (500, None, "ends after 500 rows"),
        (None, 5.0, "ends after 5 s"),
        (None, 0.25, "ends after 0.25 s"),
        (3, 60.0, "ends after 3 rows or 60 s"),
    ],
)
def test_the_line_says_how_a_run_ends(limit: int | None, timeout: float | None, end: str) -> None:
    (line,) = opening.lines([(image(description="what it does"), 2)], limit, timeout, 80)
    assert line == f"tool: what it does (2 programs; {end})"


@pytest.mark.parametrize("name", bundled_store().names())
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_the_line_of_a_bundled_image_fits_a_terminal(name: str, timeout: float | None) -> None:
    bundled = bundled_store().get(name)
    (line,) = opening.lines([(bundled, 6)], None, timeout, 80)
    assert len(line) <= 80
    words = line.removeprefix(f"{name}: ").rpartition(" (")[0].removesuffix(" ...")
    assert len(words) > 15
    assert bundled.annotations[DESCRIPTION].startswith(words)


@pytest.mark.parametrize("width", [None, 200])
def test_a_description_that_fits_is_not_cut(width: int | None) -> None:
    text = (
        "files that are opened, or could not be, with every word that their description has in it"
    )
    (line,) = opening.lines([(image(description=text), 2)], None, None, width)
    assert line == f"tool: {text} (2 programs; Ctrl-C ends)"
    assert len(line) > 80


def test_each_image_has_a_line() -> None:
    lines = list(
        opening.lines([(image("a", description="one"), 1), (image("b"), 0)], None, None, 80)
    )
    assert lines == ["a: one (1 program)", "b (no programs; Ctrl-C ends)"]


def test_a_title_replaces_a_missing_description() -> None:
    (line,) = opening.lines([(image(title="a title"), 1)], None, None, 80)
    assert line == "tool: a title (1 program; Ctrl-C ends)"


def test_texts_of_an_image_are_made_safe_and_cut() -> None:
    unsafe = image("x\x1b[31m", description="a\x1b]0;t\x07\n  b\r\n\u202ec " + "long " * 1000)
    (line,) = opening.lines([(unsafe, 1)], None, None, 80)
    assert line.isprintable()
    assert r"x\x1b[31m: a\x1b]0;t\x07 b" in line
    assert len(line) <= 80
    (line,) = opening.lines([(image(description="unbroken" * 100), 1)], None, None, 80)
    assert len(line) <= 80


def spec(*maps: MapSpec, insns: tuple[Insn, ...] = ()) -> CollectionSpec:
    program = ProgramSpec("prog", "xdp", insns, (), (), (), (), (("prog", 0),))
    return CollectionSpec("x.o", "GPL", (program,), maps, (), (), None)


def test_notes_name_the_maps_if_nothing_is_shown() -> None:
    maps = (
        MapSpec("a_map_of_a_long_name", ".maps", MapType.PERCPU_HASH),
        MapSpec("\x1b[2J", ".maps", 99),
        MapSpec(".rodata", ".rodata", MapType.ARRAY, contents=b""),
    )
    warning, names, dump = opening.nothing_shown([spec(*maps)])
    assert warning.startswith("warning: nothing will be shown, ")
    assert warning.endswith(r"its maps: a_map_of_a_long_name (percpu_hash), \x1b[2J (type 99)")
    assert "print_NAME, counter_NAME, gauge_NAME or hist_NAME" in names
    # The kernel keeps 15 characters of a name.
    assert dump == "note: what is in a map: bpftool map dump name a_map_of_a_long"


def test_the_list_of_maps_is_bounded() -> None:
    warning, *_ = opening.nothing_shown(
        [spec(*[MapSpec(f"m{n}", ".maps", MapType.HASH) for n in range(99)])]
    )
    assert warning.endswith("m7 (hash), ...")


def test_notes_of_programs_without_maps() -> None:
    (warning,) = opening.nothing_shown([spec()])
    assert warning.endswith(": there are no maps")
    _, note = opening.nothing_shown([spec(insns=(Insn(CALL, imm=6),))])
    assert note == "note: --trace shows what programs print (bpf_printk)"
