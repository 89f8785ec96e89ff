"""Packages of eunomia-bpf, packed of a source of our own: as a file, in a store, and run."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import beepy as api
from beepy.oci.store import Store
from tests.kernel.conftest import ObjectOf
from tests.support import packed
from tests.support.command import Beepy, Done
from tests.support.eunomia import META, SOURCE

pytestmark = pytest.mark.kernel

ONLY: Final = "beepy-only"


@pytest.fixture
def package(tmp_path: Path, compiled: ObjectOf) -> str:
    path = tmp_path / "package.json"
    path.write_bytes(packed.package(Path(compiled(SOURCE)).read_bytes(), META))
    return str(path)


@pytest.fixture
def named(tmp_path: Path) -> str:
    """Return a program whose name no other process has."""
    true = shutil.which("true")
    assert true
    return shutil.copy(true, str(tmp_path / ONLY))


def run(beepy: Beepy, named: str, *arguments: str, programs: int = 1) -> Done:
    """Run while a process of the name is executed."""
    with beepy.start("-v", "run", *arguments) as running:
        running.until_attached(programs)
        subprocess.run([named], check=True)
        return running.end()


def rows(done: Done, name: str) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    return [row for row in found if row["map"] == name]


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), 7),
        (("--number", "5"), 5),
        (("--number=-5",), -5),
        (("--number", "-5"), -5),
        (("--set", "number=5"), 5),
        (("--set", "wanted=5"), 5),
        (("--negate", "true"), -7),
        (("--negate=on", "--number=0x10"), -16),
        (("--negate", "--number", "3"), -3),
        (("--set", "count=30"), 37),
    ],
)
def test_parameters(
    beepy: Beepy, package: str, named: str, options: Sequence[str], number: int
) -> None:
    """As options or by --set, before and after the image; one is called as an option of ours."""
    arguments = (*options, package) if len(options) == 1 else (package, *options)
    done = run(beepy, named, *arguments, "--only", ONLY, "-o", "json")
    assert [(row["number"], row["comm"]) for row in rows(done, "events")] == [(number, ONLY)]


def test_options_of_run_come_before_parameters(beepy: Beepy, package: str, named: str) -> None:
    """``--count`` is how many rows are shown, and not the package's parameter."""
    with beepy.start("-v", "run", package, "--count", "1", "-o", "json") as running:
        running.until_attached()
        subprocess.run([named], check=True)
        done = running.wait()
    assert len(done.out.splitlines()) == 1
    assert json.loads(done.out)["number"] == 7


def test_the_table_is_read_at_its_interval(beepy: Beepy, package: str, named: str) -> None:
    """Each reading is a row; with --interval the user's counts."""
    with beepy.start("-v", "run", package, "-o", "json", "--only", ONLY) as running:
        running.until_attached()
        subprocess.run([named], check=True)
        running.until(lambda: running.out.count(b'"hists"') >= 3)
        done = running.end()
    (first, *_, last) = [row["value"]["slots"] for row in rows(done, "hists")]
    assert first[3] == last[3] == 1
    done = run(beepy, named, package, "-o", "json", "--only", ONLY, "--interval", "1h")
    assert len(rows(done, "hists")) == 1


def test_a_table_that_is_emptied(
    beepy: Beepy, tmp_path: Path, compiled: ObjectOf, named: str
) -> None:
    """Each event is in one reading."""
    meta = json.loads(json.dumps(META))
    meta["bpf_skel"]["maps"][1]["sample"]["clear_map"] = True
    path = tmp_path / "package.json"
    path.write_bytes(packed.package(Path(compiled(SOURCE)).read_bytes(), meta))
    with beepy.start("-v", "run", str(path), "-o", "json", "--only", ONLY) as running:
        running.until_attached()
        subprocess.run([named], check=True)
        running.until(lambda: b'"hists"' in running.out)
        subprocess.run([named], check=True)
        done = running.end()
    assert [row["value"]["slots"][3] for row in rows(done, "hists")] == [1, 1]


def test_a_histogram_is_drawn(beepy: Beepy, package: str, named: str) -> None:
    done = run(beepy, named, package, "-o", "columns", "--only", ONLY)
    assert "hists: 1 event" in done.out
    assert "         8 -> 15         : 1        |*****" in done.out


def test_what_is_not_exported_is_said(beepy: Beepy, package: str) -> None:
    done = beepy("run", package, "--timeout", "1ms", "-o", "json")
    assert done.said[0] == "warning: tables not shown: start: --type start=u64 shows one"


def test_unknown_options(beepy: Beepy, package: str) -> None:
    known = "--number, --negate, --only, --count"
    for option, meant in (("--numbr", "--number"), ("--fliter", "--filter"), ("--vvvvv", "")):
        done = beepy("run", package, option, "1")
        advice = f": did you mean {meant}?" if meant else ""
        assert (done.code, done.out) == (2, "")
        assert done.said == [
            f"beepy: no such option: {option}{advice}",
            f"note: parameters of {package}: {known}",
            "note: beepy run --help",
        ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--number",), "--number: expected a value"),
        (("--number", "x"), "variable 'wanted' (s32): 'x': expected a number from -2147483648"),
        (("--number", "1", "--number=2"), "--number: a second value for 'number'"),
        (("--set", "number=1", "--number=2"), "--number: a second value for 'number'"),
    ],
)
def test_wrong_values(beepy: Beepy, package: str, options: Sequence[str], said: str) -> None:
    done = beepy("run", package, *options)
    assert (done.code, done.out) == (2, "")
    assert [line for line in done.said if line.startswith(f"beepy: {said}")]


def test_the_description(beepy: Beepy, package: str) -> None:
    lines = beepy("describe", package).out.splitlines()
    at = lines.index("parameters")
    assert [line.split() for line in lines[at + 1 : at + 5]] == [
        ["--number", "VALUE", "=", "7", "the", "number", "shown", "variable", "wanted"],
        ["--negate", "VALUE", "show", "the", "negated", "number", "variable", "negate"],
        ["--only", "VALUE", "only", "this", "name", "variable", "only"],
        ["--set", "count=VALUE", "=", "0", "variable", "count"],
    ]
    described = json.loads(beepy("describe", package, "-o", "json").out)
    assert (described["format"], described["convention"]) == (
        "eunomia",
        "eunomia: maps and types by the package",
    )
    assert described["parameters"][0] == {
        "name": "number",
        "variable": "wanted",
        "default": "7",
        "description": "the number shown",
        "option": "--number VALUE",
    }
    (events,) = [info for info in described["maps"] if info["name"] == "events"]
    assert (events["record_type"], events["type_reason"]) == ("struct event", None)


def test_an_artifact_in_a_store(beepy: Beepy, package: str, named: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    data = Path(package).read_bytes()
    store.put("ghcr.io/me/send:1", packed.manifest(packed.Stored(store), packed.WASM, {}, data))
    flags = ("--storage", str(store.path), "ghcr.io/me/send:1", "--only", ONLY, "-o", "json")
    (row,) = rows(run(beepy, named, *flags, "--number", "9"), "events")
    assert row["number"] == 9


def test_from_python(package: str, named: str) -> None:
    with api.open(package, variables={"number": 11, "only": ONLY}, timeout=60) as running:
        running.attach()
        subprocess.run([named], check=True)
        batch = next(rows for rows in running if rows.map == "events")
    assert [(row.number, row.comm) for row in batch] == [(11, ONLY)]


def test_several_images(beepy: Beepy, package: str, named: str) -> None:
    """An image without parameters beside one with them; both are found once."""
    options = ("--only", ONLY, "-o", "json")
    done = run(beepy, named, "exitsnoop", package, *options, programs=2)
    assert [row["number"] for row in rows(done, "events")] == [7]
