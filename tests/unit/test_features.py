"""The table of features: rows and probes match, and no release is written elsewhere."""

import ast
import re
from collections.abc import Iterator
from errno import EOPNOTSUPP
from pathlib import Path
from types import ModuleType

import pytest

import beepy
from beepy import features
from beepy.btf import downgrade
from beepy.features import Feature
from beepy.kernel import features as questions
from beepy.kernel import probes
from tests.support import child

_ROOT = Path(beepy.__file__).parent
_TABLES = {"features.py", "since.py"}
# of a kernel: an image such as python:3.13-slim has its own
_RELEASE = re.compile(r"(?<![\d.:])[3-9]\.\d{1,2}(?![\d.%])")


def test_every_feature_has_a_probe_unless_it_is_version_only() -> None:
    assert {feature for feature in Feature if not feature.version_only} == set(probes.PROBES)


def test_every_feature_of_types_has_its_row() -> None:
    assert len(set(downgrade.FEATURES)) == len(downgrade.FEATURES)
    assert not any(feature.version_only for feature in downgrade.FEATURES)


def test_every_row_has_words_and_a_release() -> None:
    assert all(feature.text.strip() == feature.text != "" for feature in Feature)
    assert all(re.fullmatch(r"[3-9]\.\d+", feature.since) for feature in Feature)
    assert len({feature.text for feature in Feature}) == len(Feature)


@pytest.mark.parametrize(
    "path", sorted(_ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(_ROOT))
)
def test_no_release_is_written_outside_the_tables(path: Path) -> None:
    """Docstrings may cite the release of a commit."""
    if path.relative_to(_ROOT).as_posix() not in _TABLES:
        assert [
            text for text in _literals(ast.parse(path.read_text())) if _RELEASE.search(text)
        ] == []


def _literals(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that are neither docstrings nor documentation of constants."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    documentation = {id(node.value) for node in statements}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            yield node.value


def test_literals_are_found_and_docstrings_are_not() -> None:
    source = '"""Since 5.15."""\nA = "5.15"\n"""From v5.8 on."""\nB = f"before {A} and 5.3"\n'
    assert [text for text in _literals(ast.parse(source)) if _RELEASE.search(text)] == [
        "5.15",
        " and 5.3",
    ]


def test_a_new_feature_needs_a_row_and_a_probe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    row = '    TELEPORTATION = "teleportation", "9.9"\n'
    source = (
        Path(features.__file__).read_text().replace("    BPF_COOKIE =", f"{row}    BPF_COOKIE =")
    )
    grown = ModuleType(features.__name__)
    exec(compile(source, features.__file__, "exec"), vars(grown))
    feature = grown.Feature.TELEPORTATION
    asked = []

    def probe() -> bool:
        asked.append(feature)
        return False

    monkeypatch.setitem(vars(probes)["PROBES"], feature, probe)
    assert not questions.has(feature)
    assert not questions.has(feature)
    assert asked == [feature]  # the answer is cached
    error = feature.not_supported("program 'p': nowhere to go")
    assert str(error) == "program 'p': nowhere to go"
    assert (error.feature, error.since, error.errno) == ("teleportation", "9.9", EOPNOTSUPP)


def test_loading_imports_no_probes_before_the_kernel_refuses() -> None:
    loaded = child.run(
        "import beepy.collection.load, beepy.hooks, beepy.maps, sys; print(*sys.modules)"
    ).split()
    assert not {"beepy.features", "beepy.kernel.features", "beepy.kernel.probes"} & set(loaded)


def test_older_helpers_are_older() -> None:
    assert all(older < newer for newer, older in features.OLDER_HELPERS.items())
