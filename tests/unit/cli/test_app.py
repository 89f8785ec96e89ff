"""Commands that need no kernel, run as processes."""

import json
import os
import pty
import re
import shlex
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pytest

import beepy as package
from beepy.cli.examples import EXAMPLES
from beepy.oci.lookup import bundled_store
from beepy.oci.manifest import CREATED
from beepy.oci.store import Store
from tests.support.command import BEEPY, Beepy, Done, environment

PROGRAM = b"\x7fELF" + bytes(range(256))
COMMANDS = (
    *("run", "describe", "pull", "list", "ps", "mcp", "verify", "completion", "version"),
    *("inspect", "push", "login", "logout"),
    *("tag", "replay", "rm", "prune", "save", "load", "build", "init", "package"),
)


@pytest.fixture
def beepy(tmp_path: Path) -> Beepy:
    home = tmp_path / "home"
    home.mkdir()
    return Beepy(home)


def usage_error(done: Done) -> str:
    """Return the error line before the note."""
    assert (done.code, done.out) == (2, "")
    first, note = done.said
    assert re.fullmatch(r"note: beepy (\w+ )?--help", note)
    return first


def test_characters_that_the_encoding_lacks_are_escaped(beepy: Beepy, tmp_path: Path) -> None:
    Store(tmp_path / "store").add_image("\u03c0/\u00e9", PROGRAM, {})
    done = beepy._replace(variables={"PYTHONIOENCODING": "latin-1"})(
        "--storage", str(tmp_path / "store"), "list"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1].startswith("\\u03c0/")


HELP = [[], ["--help"], ["-h"], ["help"], *[[name, "--help"] for name in COMMANDS]]


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_is_plain_text_that_fits(beepy: Beepy, arguments: list[str], columns: str) -> None:
    beepy = beepy._replace(variables={"COLUMNS": columns, "TERM": "xterm", "FORCE_COLOR": "1"})
    done = beepy(*arguments)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    assert lines[0].startswith(f"Usage: beepy {command}".rstrip() + " [OPTIONS]")
    assert max(map(len, lines)) <= 80
    assert done.out.replace("\n", "").isascii()
    assert not set("\x1b─│╭") & set(done.out)
    assert "[bold" not in done.out
    assert lines[lines.index("Examples:") + 1].startswith("  beepy ")


def panels(out: str) -> dict[str, set[str]]:
    """Return the options of each section of a help."""
    found: dict[str, set[str]] = {}
    title = ""
    for line in out.splitlines():
        if heading := re.fullmatch(r"(\w.*):", line):
            title = heading[1]
        if option := re.match(r"  (?:-\w, )?(--[a-z-]+)", line):
            found.setdefault(title, set()).add(option[1])
    return found


def test_help_has_sections(beepy: Beepy) -> None:
    run = panels(beepy("run", "--help").out)
    titles = ["What to show", "Whose events", "Where programs attach", "Metrics"]
    titles += ["What programs cost and print", "How programs are loaded"]
    assert list(run) == [*titles, "Images and registries", "Signatures", "General"]
    assert panels(beepy("--help").out) == {
        "General": {"--version", "--verbose", "--debug", "--storage", "--help"}
    }
    registries = run["Images and registries"] - {"--pull"}
    for command in ("describe", "pull", "package"):
        assert panels(beepy(command, "--help").out)["Images and registries"] == registries
    for command, some in (("list", {"--config-dir"}), ("version", set[str]())):
        assert set().union(*panels(beepy(command, "--help").out).values()) & registries == some


def test_help_of_a_command(beepy: Beepy) -> None:
    assert beepy("help") == beepy("--help")
    assert beepy("help", "run") == beepy("run", "--help")
    assert beepy("-v", "help", "list") == beepy("list", "--help")
    assert (
        usage_error(beepy("help", "lisst"))
        == "beepy: no such command 'lisst'. Did you mean 'list'?"
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_examples_use_existing_options(beepy: Beepy, command: str) -> None:
    for line in EXAMPLES[command]:
        name, *arguments = shlex.split(line.removeprefix("beepy "))
        out = beepy(*([name] if name in COMMANDS else []), "--help").out
        assert all(
            re.search(rf"(^  |, ){re.escape(option)}\b", out, re.MULTILINE)
            for option in arguments
            if option[0] == "-"
        )


def test_run_without_an_image_lists_the_bundled_ones(beepy: Beepy) -> None:
    done = beepy("run", "-o", "json")
    assert (done.code, done.out) == (2, "")
    first, note, *images = done.said
    assert first == "beepy: run: no image given"
    assert note == "note: beepy run exitsnoop, or another of the bundled images:"
    assert [line.split()[0] for line in images] == [image["name"] for image in BUNDLED]
    assert all(
        str(image["description"])[:30] in line for line, image in zip(images, BUNDLED, strict=True)
    )
    assert max(map(len, done.said)) <= 80


def test_options_of_other_commands_are_refused(beepy: Beepy) -> None:
    """Only commands that may ask a registry take its options, also before the command's name."""
    assert usage_error(beepy("list", "-u", "me")) == "beepy: no such option: -u"
    assert usage_error(beepy("version", "--storage", "x")) == "beepy: no such option: --storage"
    for option in (["-u", "me"], ["--ca-file=x"], ["--plain-http"], ["--plain-http=false"]):
        done = beepy(*option, "list")
        assert (done.code, done.out) == (2, "")
        assert re.fullmatch(r"beepy: --[a-z-]+: beepy list does not take it\n", done.err)
    assert (
        beepy("--storage", "x", "version").err
        == "beepy: --storage: beepy version does not take it\n"
    )
    variables = {"BEEPY_STORAGE": "x", "BEEPY_CONFIG_DIR": "x"}
    assert beepy._replace(variables=variables)("version").code == 0


def test_an_image_instead_of_a_command(beepy: Beepy) -> None:
    message = "beepy: no such command 'exitsnoop'\nnote: beepy run exitsnoop\n"
    assert beepy("exitsnoop") == (2, "", message)


@pytest.mark.parametrize(
    ("word", "command"),
    [("images", "list"), ("remove", "rm"), ("delete", "rm"), ("import", "load")],
)
def test_words_of_docker(beepy: Beepy, word: str, command: str) -> None:
    message = f"beepy: no such command '{word}'\nnote: beepy {command}\n"
    assert beepy(word, "x") == (2, "", message)


def test_no_summary_of_a_command_is_cut(beepy: Beepy) -> None:
    assert "..." not in beepy("--help").out.partition("Run images:\n")[2]


def test_help_on_a_terminal_has_no_colors(beepy: Beepy) -> None:
    ours, theirs = pty.openpty()
    with beepy.start("run", "--help", stdout=theirs) as running:
        os.close(theirs)
        out = b""
        while b"exit" not in out:
            out += os.read(ours, 1 << 16)
        assert running.wait().code == 0
    os.close(ours)
    assert b"\x1b" not in out


def test_all_commands_are_listed(beepy: Beepy) -> None:
    out = beepy("--help").out
    sections = out.partition("Run images:\n")[2].partition("\nGeneral:\n")[0]
    assert sorted(re.findall(r"^  (\w+)", sections, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "beepy: no such command 'nothing'"),
        (["rum", "x"], "beepy: no such command 'rum'. Did you mean 'rm', 'run'?"),
        (["run", "--fliter=x", "x"], "beepy: no such option: --fliter: did you mean --filter?"),
        (["run", "--filtre=x", "x"], "beepy: no such option: --filtre: did you mean --filter?"),
        (["-v"], "beepy: missing command"),
        (["--nothing"], "beepy: no such option: --nothing"),
        (["run", "--outputs", "json", "x"], "beepy: no such option: --outputs"),
        (["describe"], "beepy: missing argument 'IMAGE'"),
        (
            ["describe", "exitsnoop", "a", "b\x1b"],
            r"beepy: describe: unexpected arguments 'a', 'b\x1b'",
        ),
        (
            ["describe", "exitsnoop", "-o", "yaml"],
            "beepy: invalid value for '--output' / '-o': 'yaml' is not one of",
        ),
        (["list", "more"], "beepy: list: unexpected argument 'more'"),
        (["pull"], "beepy: missing argument 'IMAGE'"),
        (["list", "--storage"], "beepy: option '--storage' requires an argument"),
        (["a\x1b[31m\n"], r"beepy: no such command 'a\x1b[31m\n'"),
    ],
)
def test_a_usage_error_is_one_line(beepy: Beepy, arguments: list[str], message: str) -> None:
    assert usage_error(beepy(*arguments)).startswith(message)


def test_a_usage_error_names_the_help_of_its_command(beepy: Beepy) -> None:
    for arguments in (["run", "x", "-f"], ["-v", "run", "x", "-f"], ["run", "x", "--nothing"]):
        assert beepy(*arguments).said[1:] == ["note: beepy run --help"]
    assert beepy("list", "more").said[1:] == ["note: beepy list --help"]
    assert "x>=" not in beepy("run", "--help").out
    assert "<=x" not in beepy("run", "--help").out


@pytest.mark.parametrize("command", ["run", "describe", "pull"])
@pytest.mark.parametrize(
    ("option", "kind"),
    [("-c", "file"), ("--config", "file"), ("--ca-file", "file"), ("--config-dir", "directory")],
)
def test_a_missing_file_or_directory_is_a_usage_error(
    beepy: Beepy, command: str, option: str, kind: str
) -> None:
    long = "--config" if option == "-c" else option
    assert beepy(command, "exitsnoop", option, "/no/such") == (
        2,
        "",
        f"beepy: {long} /no/such: no such {kind}\n",
    )


def test_a_directory_of_the_environment_may_be_missing(beepy: Beepy) -> None:
    beepy = beepy._replace(variables={"BEEPY_CONFIG_DIR": "/no/such"})
    assert beepy("describe", "exitsnoop").code == 0


def test_version(beepy: Beepy) -> None:
    """The command prints only the version, for shells: image:$(beepy version)."""
    assert beepy("version") == (0, f"{package.__version__}\n", "")
    assert beepy("--version") == (0, f"beepy {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["list", "-o=x"],
            "beepy: invalid value for '--output' / '-o': 'x' is not one of 'text', 'wide', 'json'",
        ),
        (["pull", "-p=x", "127.0.0.1:1/x"], "beepy: --password: expected --username too"),
        (["pull", "-u=me", "-p=x", "-c=/none", "x y"], "beepy: --config /none: no such file"),
        (
            ["pull", "-u=me", "-p=x", "-c=/dev/null", "x y"],
            "beepy: reference 'x y': repository: not a repository name",
        ),
        (["-v=maybe", "list"], "beepy: -v 'maybe': expected true or false"),
        (["list", "--verbose=maybe"], "beepy: --verbose 'maybe': expected true or false"),
        (["run", "--no-tty=", "x"], "beepy: --no-tty '': expected true or false"),
    ],
)
def test_every_option_takes_an_equals_sign(
    beepy: Beepy, arguments: list[str], message: str
) -> None:
    done = beepy(*arguments)
    assert (done.code, done.out, done.said[0]) == (2, "", message)


def test_the_last_value_of_a_flag_counts(beepy: Beepy) -> None:
    for arguments in (["-v", "-v=false"], ["-v=1", "--verbose=F"], ["-vd=0", "-v=0"]):
        assert beepy("describe", "exitsnoop", *arguments).err == ""
        assert beepy(arguments[0], "describe", "exitsnoop", *arguments[1:]).err == ""
    for arguments in (["-v=false", "-v"], ["-d=0", "-v=true"]):
        assert (
            beepy("describe", "exitsnoop", *arguments)
            .said[0]
            .startswith("info: exitsnoop: found in ")
        )
    assert listed(beepy("list", "--help=false", "-o=json")) == BUNDLED


BUNDLED = [
    {
        "name": entry.name,
        "description": entry.description,
        "digest": entry.digest,
        "size": entry.size,
        "created": None,
        "platform": "linux/amd64",
        "partial": False,
        "bundled": True,
    }
    for entry in bundled_store().list()
]


def stored(path: Path, name: str) -> dict[str, object]:
    """Put an image into a store; return its row."""
    store = Store(path)
    digest = store.add_image(name, PROGRAM, {}, {"architecture": "arm64", "os": "linux"})
    size = store.list()[0].size
    assert size
    assert len(PROGRAM) < size < 1000  # with manifest and config
    fields = {
        "name": name,
        "description": None,
        "digest": digest,
        "size": size,
        "created": None,
        "platform": "linux/arm64",
    }
    return {**fields, "partial": False, "bundled": False}


def listed(done: Done) -> list[dict[str, object]]:
    assert (done.code, done.err) == (0, "")
    rows: list[dict[str, object]] = json.loads(done.out)
    return rows


def test_list(beepy: Beepy) -> None:
    assert listed(beepy("list", "-o", "json")) == BUNDLED
    mine = stored(beepy.home / ".local" / "share" / "beepy" / "store", "some/image:1")
    bees = stored(beepy.home / ".bumblebee" / "store", "exitsnoop:v1")
    assert listed(beepy("list", "--output", "json")) == [mine, bees, *BUNDLED]
    assert all(list(row) == list(mine) and row["description"] for row in BUNDLED)
    done = beepy("list")
    assert done == (0, beepy("list", "-o", "wide").out, "")
    head, *rows = done.out.splitlines()
    assert head.split() == ["NAME", "SIZE", "PLATFORM", "BUNDLED", "DIGEST", "DESCRIPTION"]
    assert rows[0].split() == [
        "some/image:1",
        f"{mine['size']}B",
        "linux/arm64",
        "no",
        str(mine["digest"])[:19],
        "-",
    ]
    assert rows[1].split()[0] == "exitsnoop:v1"
    assert all(
        row.endswith(f"  {known['description']}")
        for row, known in zip(rows[2:], BUNDLED, strict=True)
    )


def test_list_fits_a_terminal(beepy: Beepy) -> None:
    """A terminal of 80 columns is wide enough for a description, not for every column."""
    stored(
        beepy.home / ".bumblebee" / "store",
        "ghcr.io/solo-io/bumblebee/exitsnoop@sha256:" + 64 * "0",
    )
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with beepy.start("list", stdout=theirs) as running:
        os.close(theirs)
        out = b""
        with suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 1 << 16):
                out += chunk
        done = running.wait()
    os.close(ours)
    lines = out.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["NAME", "DESCRIPTION"]
    assert len(lines) == len(BUNDLED) + 2
    assert done.err == "note: beepy list -o wide shows DIGEST, PLATFORM, SIZE, BUNDLED too\n"


def test_list_makes_names_safe(beepy: Beepy) -> None:
    stored(beepy.home / ".bumblebee" / "store", "evil\x1b[31m\u202ename:1")
    out = beepy("list").out
    assert r"evil\x1b[31m\xe2\x80\xaename:1" in out
    assert out.replace("\n", "").isprintable()


def test_list_cuts_long_annotations(beepy: Beepy) -> None:
    store = Store(beepy.home / ".bumblebee" / "store")
    store.add_image(
        "one:1", b"\x7fELF", {CREATED: "x" * 100_000}, {"os": "y" * 1000, "architecture": "z"}
    )
    assert max(map(len, beepy("list").out.splitlines())) < 250


def test_a_broken_store_is_skipped_with_a_warning(beepy: Beepy) -> None:
    broken = beepy.home / ".bumblebee" / "store"
    broken.mkdir(parents=True)
    (broken / "notes").write_text("x")
    done = beepy("list", "-o", "json")
    assert (done.code, json.loads(done.out)) == (0, BUNDLED)
    assert "not an image layout: no oci-layout file" in done.err
    assert beepy("describe", "exitsnoop").code == 0
    assert beepy("list", "--storage", str(broken)).code == 1


def test_a_password_without_a_user_name(beepy: Beepy) -> None:
    done = beepy("pull", "-p", "x", "127.0.0.1:1/x")
    assert (done.code, done.err) == (2, "beepy: --password: expected --username too\n")


def test_storage_replaces_the_local_stores(beepy: Beepy, tmp_path: Path) -> None:
    """--storage takes precedence over BEEPY_STORAGE, before and after the command's name."""
    stored(beepy.home / ".bumblebee" / "store", "bees:1")
    flag = stored(tmp_path / "flag", "flag:1")
    variable = stored(tmp_path / "variable", "variable:1")
    json_ = ("list", "-o", "json")
    assert listed(beepy(*json_, "--storage", str(tmp_path / "flag"))) == [flag, *BUNDLED]
    assert listed(beepy("--storage", str(tmp_path / "flag"), *json_)) == [flag, *BUNDLED]
    beepy = beepy._replace(variables={"BEEPY_STORAGE": str(tmp_path / "variable")})
    assert listed(beepy(*json_)) == [variable, *BUNDLED]
    assert listed(beepy("--storage", str(tmp_path / "flag"), *json_)) == [flag, *BUNDLED]
    assert listed(beepy(*json_, "--storage", str(tmp_path / "flag"))) == [flag, *BUNDLED]
    assert (
        listed(
            beepy("--storage", str(tmp_path / "no"), *json_, "--storage", str(tmp_path / "flag"))
        )[0]
        == flag
    )


def test_the_default_store_is_in_xdg_data_home(beepy: Beepy, tmp_path: Path) -> None:
    mine = stored(tmp_path / "beepy" / "store", "some/image:1")
    beepy = beepy._replace(variables={"XDG_DATA_HOME": str(tmp_path)})
    assert listed(beepy("list", "-o", "json"))[0] == mine


def test_verbose_and_debug_log_to_stderr(beepy: Beepy) -> None:
    for arguments in (
        ["-v", "describe", "exitsnoop"],
        ["describe", "exitsnoop", "--verbose"],
        ["describe", "exitsnoop", "-d"],
    ):
        done = beepy(*arguments)
        assert done.code == 0
        assert done.said == [f"info: exitsnoop: found in {bundled_store().path}"]


@pytest.mark.parametrize("arguments", [["describe", "./no.o"], ["-d", "describe", "./no.o"]])
def test_only_debug_shows_tracebacks(beepy: Beepy, arguments: list[str]) -> None:
    done = beepy(*arguments)
    assert (done.code, done.out, done.said[0]) == (1, "", "beepy: ./no.o: no such file")
    assert ("Traceback (most recent call last):" in done.said) == ("-d" in arguments)


FILES = [
    ["list"],
    ["list", "-o", "json"],
    ["describe", "exitsnoop"],
    ["--version"],
    ["version"],
    ["--help"],
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", FILES, ids=" ".join)
def test_a_full_disk_is_one_line(beepy: Beepy, arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = beepy._replace(variables={"PYTHONUNBUFFERED": unbuffered})
        with done.start(*arguments, stdout=full.fileno()) as running:
            assert running.wait() == (
                1,
                "",
                "beepy: standard output: write: no space left on device\n",
            )


@pytest.mark.parametrize("arguments", FILES[:-1], ids=" ".join)
def test_a_closed_pipe_is_not_an_error(beepy: Beepy, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with beepy.start(*arguments, stdout=writer) as running:
        os.close(writer)
        assert running.wait() == (0, "", "")


def test_a_closed_stdout_is_an_error(beepy: Beepy) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *BEEPY, "list"]
    done = subprocess.run(
        command, env=environment(beepy.home), check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "beepy: standard output: closed\n")


def test_pulling_a_bundled_image_needs_no_network(beepy: Beepy) -> None:
    done = beepy("pull", "exitsnoop")
    assert done == (0, f"exitsnoop {bundled_store().get('exitsnoop').digest}\n", "")


def test_an_invalid_reference(beepy: Beepy) -> None:
    message = "beepy: reference 'some image': repository: not a repository name\n"
    for command in ("pull", "run", "describe"):
        assert beepy(command, "some image") == (
            2,
            "",
            message + "note: beepy list shows the images\n",
        )


@pytest.mark.parametrize("command", ["pull", "run", "describe"])
def test_a_misspelt_name_is_not_sent_to_a_registry(beepy: Beepy, command: str) -> None:
    for name in ("exitsnop", "exitsnoop:latest"):
        assert beepy(command, name) == (
            1,
            "",
            f"beepy: no image '{name}': did you mean exitsnoop?\n",
        )
