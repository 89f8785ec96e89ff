"""The commands as they are typed; what they do is tested in tests/unit/oci."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from beepy.oci.store import Store
from tests.support.command import BEEPY, Beepy, environment
from tests.support.stored import forget

DIGEST = bundled_store().get("exitsnoop").digest


@pytest.fixture
def beepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(tmp_path / "home")


@pytest.fixture
def store(beepy: Beepy) -> Store:
    return Store(beepy.home / ".local" / "share" / "beepy" / "store")


def listed(beepy: Beepy, *options: str) -> list[tuple[object, ...]]:
    rows = json.loads(beepy(*options, "list", "-o", "json").out)
    return [(row["name"], row["digest"], row["partial"]) for row in rows if not row["bundled"]]


def test_the_life_of_an_image(beepy: Beepy) -> None:
    assert beepy("tag", "exitsnoop", "a.b/x:1") == (0, f"a.b/x:1 {DIGEST}\n", "")
    assert beepy("tag", "a.b/x:1", "y") == (0, f"y {DIGEST}\n", "")
    assert beepy("save", "y", "-o=x.tar") == (0, f"y {DIGEST}\n", "")
    assert beepy("rm", "y") == (0, f"y {DIGEST}\n", "beepy: 0 files, 0B removed\n")
    done = beepy("rm", DIGEST[:19])
    assert (done.code, done.out) == (0, f"a.b/x:1 {DIGEST}\n")
    assert done.err == "beepy: 3 files, 6.31kB removed\n"
    assert listed(beepy) == []
    assert beepy("load", "x.tar") == (0, f"y {DIGEST}\n", "")
    assert beepy("load", "x.tar", "--name", "z:2").out == f"z:2 {DIGEST}\n"
    assert listed(beepy) == [("y", DIGEST, False), ("z:2", DIGEST, False)]
    assert json.loads(beepy("describe", "./x.tar", "-o", "json").out)["digest"] == DIGEST


def test_the_storage_option(beepy: Beepy, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    assert beepy("--storage", other, "tag", "exitsnoop", "x").code == 0
    assert beepy("save", "x").said[0] == (
        "beepy: no image 'x': no file, stored or bundled image has that name"
    )
    assert beepy("save", "x", "--storage", other, "-o", "x.tar").code == 0
    assert beepy("load", "x.tar").code == 0
    assert beepy("rm", "x", "--storage", other).code == 0
    assert (listed(beepy, "--storage", other), len(listed(beepy))) == ([], 1)


@pytest.mark.parametrize("is_variable", [True, False])
def test_the_settings_of_another_directory_bind(beepy: Beepy, *, is_variable: bool) -> None:
    assert beepy("save", "exitsnoop", "-o", "x.tar").code == 0
    Path("conf").mkdir()
    Path("conf/registries.toml").write_text('[policy]\narchive = "refuse"\n')
    options = () if is_variable else ("--config-dir", "conf")
    variables = {"BEEPY_CONFIG_DIR": "conf"} if is_variable else {}
    refused = beepy._replace(variables=variables)("load", "x.tar", *options)
    assert (refused.code, refused.out) == (1, "")
    assert "registries.toml" in refused.err
    assert listed(beepy) == []


def test_a_pipe(beepy: Beepy) -> None:
    command = f"{' '.join(BEEPY)} save exitsnoop | {' '.join(BEEPY)} --storage other load -"
    done = subprocess.run(
        ["sh", "-c", command],
        env=environment(beepy.home),
        check=True,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"exitsnoop {DIGEST}\n", "")
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        failed = beepy("save", "exitsnoop", stdout=full.fileno())
    assert failed.code == 1
    assert failed.said == ["beepy: standard output: write: no space left on device"]


def test_a_terminal_gets_no_archive(beepy: Beepy) -> None:
    ours, theirs = pty.openpty()
    done = beepy("save", "exitsnoop", stdout=theirs)
    os.close(theirs)
    os.close(ours)
    assert done.code == 2
    assert done.said == [
        "beepy: save: an archive is not written to a terminal",
        "note: beepy save exitsnoop -o images.tar",
    ]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_nothing_is_loaded_from_a_terminal(beepy: Beepy, arguments: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*BEEPY, "load", *arguments],
        env=environment(beepy.home, beepy.variables),
        stdin=theirs,
        capture_output=True,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert done.stderr == b"beepy: load: no archive given\nnote: beepy load images.tar\n"


@pytest.mark.parametrize("words", ["load", "load -", "load x.tar", "load -i x.tar"])
def test_what_docker_calls_load(beepy: Beepy, words: str) -> None:
    assert beepy("save", "exitsnoop", "-o", "x.tar").code == 0
    done = subprocess.run(
        ["sh", "-ec", f"{' '.join(BEEPY)} {words} < x.tar"],
        env=environment(beepy.home, beepy.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"exitsnoop {DIGEST}\n", "")


def test_a_file_that_cannot_be_written(beepy: Beepy) -> None:
    done = beepy("save", "exitsnoop", "-o", "none/x.tar")
    assert (done.code, done.out) == (1, "")
    assert done.said == ["beepy: none/x.tar: no such file or directory"]


def test_prune(beepy: Beepy, store: Store) -> None:
    assert beepy("prune") == (0, "", "beepy: 0 files, 0B removed\n")
    beepy("tag", "exitsnoop", "x")
    assert json.loads(beepy("prune", "-o", "json").out) == {
        "removed": [],
        "size": 0,
        "young": 0,
        "dry_run": False,
    }
    forget(store, "x")
    (theirs := store.path / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"young")
    (store.path / "ingest" / "beepy-\x1b[2J").write_bytes(b"half")
    dry = json.loads(beepy("prune", "--dry-run", "-o=json").out)
    assert (len(dry["removed"]), dry["young"], dry["dry_run"]) == (4, 1, True)
    assert dry["size"] == sum(file["size"] for file in dry["removed"]) == 6312
    said = beepy("prune", "--dry-run")
    assert said.said[0] == "beepy: 4 files, 6.31kB would be removed"
    done = beepy("prune")
    assert done.out == said.out
    assert done.out.replace("\n", "").isprintable()
    assert done.out.splitlines()[-1] == r"ingest/beepy-\x1b[2J 4"
    assert done.said == [
        "beepy: 4 files, 6.31kB removed",
        "note: 1 file kept: written by another program in the last 10 minutes",
    ]
    assert theirs.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["tag", "exitsnoop", "A:b c"], 2, "beepy: reference 'A:b c': tag: not 1 to 128 "),
        (["tag", "exitsnop", "x"], 1, "beepy: no image 'exitsnop': did you mean exitsnoop?"),
        (["tag", "exitsnoop"], 2, "beepy: missing argument 'TARGET'"),
        (["rm"], 2, "beepy: missing argument 'IMAGE...'"),
        (["rm", "exitsnoop"], 1, "beepy: exitsnoop: a bundled image is part of beepy and stays"),
        (["save"], 2, "beepy: missing argument 'IMAGE...'"),
        (["save", "a.b/x:1", "-o", "x"], 1, "beepy: a.b/x:1: not found locally"),
        (["load", "none.tar"], 1, "beepy: none.tar: no such file or directory"),
        (["load", "x", "--name="], 2, "beepy: --name: expected a value, got an empty one"),
        (["load", "-"], 1, "beepy: standard input: an empty file"),
        (["load", "x", "-i", "x"], 2, "beepy: --input: not with FILE, which is the same"),
        (["prune", "-o", "xml"], 2, "beepy: invalid value for '--output' / '-o': 'xml' is not "),
        (["prune", "x"], 2, "beepy: prune: unexpected argument 'x'"),
        (["rm", "x", "--plain-http"], 2, "beepy: no such option: --plain-http"),
    ],
)
def test_refusals(beepy: Beepy, arguments: list[str], code: int, line: str) -> None:
    done = beepy(*arguments)
    assert (done.code, done.out) == (code, "")
    assert done.said[0].startswith(line)
