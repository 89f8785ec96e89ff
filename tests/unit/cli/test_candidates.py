"""What the scripts of the shells are answered."""

import subprocess
import sys
from pathlib import Path

import pytest

from beepy.cli import app
from beepy.cli.candidates import candidates, main
from beepy.oci.lookup import bundled_store
from beepy.oci.store import Store
from tests.support.command import ROOT, environment

ELF = b"\x7fELF" + bytes(600)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BEEPY_STORAGE", "BEEPY_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def own(home: Path) -> Store:
    return Store(home / ".local" / "share" / "beepy" / "store")


def words(line: str) -> list[str]:
    """Return the candidates at the end of a line, which is split at each space."""
    *before, word = line.split(" ")
    return [answer for answer, _ in candidates(before, word)]


def settle(directory: Path, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "registries.toml").write_text(text)


def test_commands() -> None:
    assert words("") == [*app.COMMANDS, "help"]
    assert words("help ") == [*app.COMMANDS, "help"]
    assert words("-v des") == words("--config-dir=x des") == words("-c x des") == ["describe"]
    assert words("x") == words("nosuch ") == words("help run ") == []
    assert dict(candidates([], "pull"))["pull"].startswith("Pull an image")


@pytest.mark.parametrize("command", app.COMMANDS)
def test_every_option_of_a_command(command: str) -> None:
    """Those of the help, each once."""
    names = words(f"{command} -")
    assert {"--help", "-h", "--verbose", "-v"} <= set(names)
    assert len(names) == len(set(names))
    assert all(name.startswith("--") for name in words(f"{command} --"))
    assert all(text for _, text in candidates([command], "--"))


def test_only_stored_images_can_be_removed(own: Store) -> None:
    assert words("rm exits") == []
    own.add_image("exits:1", ELF, {})
    own.add_image("exitsnoop", ELF, {})
    assert sorted(words("rm exits")) == ["exits:1", "exitsnoop"]
    assert words("rm exits:1 exits") == ["exitsnoop"]


def test_options() -> None:
    assert words("run --out") == ["--output"]
    assert words("--ver") == ["--version", "--verbose"]
    assert words("run --output json --out") == words("run -o json --out") == []
    assert words("run -f a,b --fil") == ["--filter"]
    assert words("run -- --out") == [":files"]
    assert words("list --insec") == []


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("run --missing ", ["fail", "skip"]),
        ("run --missing=", ["--missing=fail", "--missing=skip"]),
        ("run --missing=s", ["--missing=skip"]),
        ("run -o js", ["json"]),
        ("run -o=js", ["-o=json"]),
        ("run -vo js", ["json"]),
        ("list -o w", ["wide"]),
        ("completion f", ["fish"]),
        ("run --btf ", [":files"]),
        ("run --btf=x", [":files"]),
        ("run --cgroup ", [":dirs"]),
        ("--storage ", [":dirs"]),
        ("run -c ", [":files"]),
        ("run --timeout ", []),
        ("--username ", []),
        ("version ", []),
        ("pull exitsnoop ", []),
    ],
)
def test_values(line: str, values: list[str]) -> None:
    assert words(line) == values


def test_outputs_and_files() -> None:
    assert words("run -o p") == ["pprof", "parquet", "perfetto"]
    assert words("replay x --output=w") == ["--output=wide"]
    assert words("run -o night") == [":files"]


def test_images(home: Path, own: Store) -> None:
    """Of the stores, the package and the aliases; what is typed already is not repeated."""
    own.add_image("localhost:5000/x:1", ELF, {})
    own.add_image("localhost:5000/x:2", ELF, {})
    Store(home / ".bumblebee" / "store").add_image("ghcr.io/a/b:1", ELF, {})
    settle(home / ".config" / "beepy", '[aliases]\nexits = "a.b/exits:1"\n')
    assert words("run localhost:5000/x:") == ["localhost:5000/x:1", "localhost:5000/x:2"]
    assert words("run localhost:5000/x:1 local") == ["localhost:5000/x:2"]
    assert words("describe gh") == ["ghcr.io/a/b:1"]
    assert dict(candidates(["run"], "exits")) == {
        "exits": "alias of a.b/exits:1",
        **{name: "bundled" for name in bundled_store().names() if name.startswith("exits")},
    }
    assert {"localhost:5000/x:1", "exits", *bundled_store().names()} <= set(words("run "))


def test_digests(own: Store) -> None:
    digest = own.add_image("a.b/x:1", ELF, {})
    assert words("run a.b/x:1@") == [f"a.b/x:1@{digest}"]
    assert words("run a.b/x:1@sha256:x") == [":files"]
    assert words("run exitsnoop@") == [f"exitsnoop@{bundled_store().get('exitsnoop').digest}"]


def test_names_to_give(own: Store) -> None:
    """A new name begins like one that exists."""
    own.add_image("a.b/x:1", ELF, {})
    assert words("tag tcpl") == ["tcplife"]
    assert words("tag tcplife ") == ["a.b/x:1"]
    assert words("tag tcplife a.b/x:1 ") == words("tag tcplife nosuch") == []
    assert words("build probe.c a.") == ["a.b/x:1"]
    assert words("build ") == words("load ") == [":files"]


def test_files() -> None:
    for word in (".", "./x", "/", "~/x", "nosuch"):
        assert words(f"run {word}") == [":files"]


def test_where_images_and_settings_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(home / "s").add_image("a.b/x:1", ELF, {})
    settle(home / "c", '[aliases]\nmine = "a.b/mine:1"\n')
    assert words("run a.") == words("run mi") == [":files"]
    for line in (f"--storage {home}/s run a.", f"run --storage={home}/s a."):
        assert words(line) == ["a.b/x:1"]
    assert words(f"--config-dir {home}/c run mi") == ["mine"]
    monkeypatch.setenv("BEEPY_STORAGE", str(home / "s"))
    monkeypatch.setenv("BEEPY_CONFIG_DIR", str(home / "c"))
    assert words("run a.") == ["a.b/x:1"]
    assert words("run mi") == ["mine"]
    assert words(f"--storage {home} run a.") == [":files"]


def test_a_name_that_a_shell_would_take_for_something_else(own: Store) -> None:
    for name in ("a.b/x;id", "$(id)", "a.b/x y", "-x", "a.b/\x1b[2J", "a.b/x\ty\nz", ":dirs", "*"):
        own.add_image(name, ELF, {})
    own.add_image("a.b/x:1", ELF, {})
    assert words("run a.") == ["a.b/x:1"]
    assert set(words("run ")) == {"a.b/x:1", *bundled_store().names()}


def test_what_is_broken_is_left_out(
    home: Path, own: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    settle(home / ".config" / "beepy", "?")
    own.add_image("a.b/x:1", ELF, {})
    (own.path / "index.json").write_text("?")
    assert main(["words", "run", "tcpl"]) == 0
    assert main(["words", "run", "-v=maybe", ""]) == 0
    out, err = capfd.readouterr()
    assert (out.splitlines()[:1], err) == (["tcplife\tbundled"], "")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ([], ""),
        (["line"], ""),
        (["line", "beepy"], ""),
        (["line", "beepy runs"], ""),
        (["line", "beepy run tcpl"], "tcplife\tbundled\n"),
        (["line", "b run 'tcpl"], "tcplife\tbundled\n"),
        (["line", 'b run "tcpl'], "tcplife\tbundled\n"),
        (["line", "b run tc\\pl"], "tcplife\tbundled\n"),
        (["line", "b run --missing=s"], "--missing=skip\n"),
        (["line", "b run --set 'a b' --missing  s"], "skip\n"),
        (["words"], ""),
        (["words", "run", "tcpl"], "tcplife\tbundled\n"),
        (["words", "run", "./x"], ":files\n"),
        (["other", "run", "tcpl"], "tcplife\tbundled\n"),
    ],
)
def test_the_answer(capfd: pytest.CaptureFixture[str], arguments: list[str], answer: str) -> None:
    assert main(arguments) == 0
    assert capfd.readouterr() == (answer, "")


def test_a_tab_imports_little(home: Path) -> None:
    script = (
        "import sys\nfrom beepy.__main__ import main\nmain()\n"
        "print(*[name.partition('.')[0] for name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "__complete", "line", "beepy run tcpl"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env=environment(home),
    )
    assert done.stdout == "tcplife\tbundled\n"
    heavy = {"requests", "urllib3", "oras", "ssl", "socket", "elftools", "rich", "logging"}
    assert not set(done.stderr.split()) & {*heavy, "tomllib", "pyroute2", "prometheus_client"}
