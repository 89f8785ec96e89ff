import pytest

from beepy.errors import UnsupportedImage
from beepy.yaml_text import MAX_SIZE, load


def test_scalars_stay_texts_and_only_plain_nulls_are_none() -> None:
    data = b"a: 0x800\nb: no\nc: 007\nd: ~\ne:\nf: ''\ng: [1.0, 'null', \"x\\ny\"]\n1: true\n"
    assert load(data, "x") == {
        "a": "0x800",
        "b": "no",
        "c": "007",
        "d": None,
        "e": None,
        "f": "",
        "g": ["1.0", "null", "x\ny"],
        "1": "true",
    }
    assert load(b"", "x") is None
    assert load(b"# nothing\n", "x") is None
    assert load(b"a: 1\n---\nb: 2\n", "x") == {"a": "1"}  # the first document


def test_aliases_and_merged_mappings() -> None:
    data = b"x: &x {a: 1, b: 2}\ny: *x\nz: {<<: *x, b: 3}\nw: {<<: [{c: 1}, {c: 2, d: 4}]}\n"
    assert load(data, "x") == {
        "x": {"a": "1", "b": "2"},
        "y": {"a": "1", "b": "2"},
        "z": {"a": "1", "b": "3"},
        "w": {"c": "1", "d": "4"},
    }


def bomb(levels: int) -> bytes:
    lines = [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(levels)
    ]
    return "\n".join(["a-1: &a-1 x", *lines]).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bomb(12), "x: line 6: more than 65536 nodes, aliases counted"),
        (b"[" * 40, "x: line 1: nested deeper than 32"),
        (b"a: &a [*a]", "x: line 1: alias 'a': no such anchor"),
        (b"a: *b", "x: line 1: alias 'b': no such anchor"),
        (b"a: 1\na: 2", "x: line 2: key 'a': duplicate"),
        (b"? [a]\n: b", "x: line 1: a key is expected to be a text"),
        (b"{*a : b}", "x: line 1: a key is expected to be a text"),
        (b"\xff\xfe", "x: not YAML: not UTF-8"),
        (b" " * (MAX_SIZE + 1), "x: YAML of 262145 bytes, at most 262144 are read"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        load(data, "x")
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [b"a: [", b"a: b: c", b"\t- a", b"a: '", b"%x", b"a: \x1b[31m"])
def test_what_is_malformed_is_one_line(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match=r"^x: not YAML: ") as caught:
        load(data, "x")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("data", [b"[" * 100_000, b"- " * 100_000, b"{a: " * 50_000])
def test_depth_is_bounded(data: bytes) -> None:
    """libyaml has a bound of its own."""
    with pytest.raises(UnsupportedImage, match=r"^x: .*(nested deeper than 32|nesting depth)"):
        load(data, "x")


def test_a_lone_surrogate_is_refused() -> None:
    """By libyaml, or where that is missing by us."""
    with pytest.raises(UnsupportedImage, match=r"^x: (not YAML: )?line 1: "):
        load(b'a: "\\ud800"', "x")


def test_tags_make_no_objects() -> None:
    assert load(b"!!python/object/apply:os.system ['false']", "x") == ["false"]
