"""Descriptions as lines of text, and their widths."""

import json
import os
import pty
import subprocess
import termios
from pathlib import Path

import pytest

from beepy.analysis.describe import describe
from beepy.analysis.description import Description, VariableInfo
from beepy.cli import description
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.width import width
from tests.support.command import BEEPY, environment

TABLE = [{"status": 0, "id": "00" * 20}] * 127


def description_of(name: str) -> Description:
    image = bundled_store().get(name)
    return describe(image, parse(image), relocations=True)


def variable(name: str, default: object, size: int) -> VariableInfo:
    return VariableInfo(name, ".rodata", "const int", size, const=True, default=default)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", bundled_store().names())
@pytest.mark.parametrize("width", [40, 80])
def test_wrapped_lines_fit_and_keep_the_text(name: str, width: int) -> None:
    one = description_of(name)
    lines = list(description.as_text(one, width))
    assert lines[1] == f"digest{' ' * 10}{one.digest}"  # not wrapped, to be copied
    assert max(map(len, [lines[0], *lines[2:]])) <= width
    whole = "".join("".join(description.as_text(one)).split())
    assert "".join("".join(lines).split()) == whole


def test_wide_characters_take_two_columns() -> None:
    words = {"title": "\u4e16\u754c " * 40, "\u4e16\u754c": "value"}
    lines = list(description.as_text(description_of("exitsnoop")._replace(annotations=words), 60))
    assert max(map(width, [lines[0], *lines[2:]])) <= 60
    assert "\u4e16\u754c          value" in lines


def test_annotations_of_oci_have_short_names() -> None:
    words = {"org.opencontainers.image.authors": "me", "org.example.x": "y"}
    one = description_of("exitsnoop")._replace(annotations=words)
    lines = list(description.as_text(one))
    assert lines[6:8] == ["authors        me", "org.example.x  y"]
    assert json.loads(description.as_json([one]))["annotations"] == words


def test_a_wrapped_line_is_aligned_to_its_value() -> None:
    lines = list(description.as_text(description_of("exitsnoop"), 80))
    number = lines.index(
        "  helpers       get_current_pid_tgid, get_current_task, probe_read_kernel,"
    )
    assert (
        lines[number + 1]
        == "                ringbuf_reserve, ktime_get_ns, get_current_comm, ringbuf_submit"
    )


def test_a_long_default_is_cut_in_text_and_whole_in_json() -> None:
    one = description_of("exitsnoop")._replace(
        variables=(
            variable("empty", TABLE, 4064),
            variable("target_pid", 0, 4),
            variable("buffer", None, 65536),
        )
    )
    lines = list(description.as_text(one))
    rows = lines[lines.index("variables") + 1 :][:3]
    assert rows[0].split("  ")[-2:] == [
        '= [{"status": 0, "id": "000000000000000... (4064 bytes)',
        ".rodata (fixed at load)",
    ]
    assert rows[1].split() == [
        "target_pid",
        "const",
        "int",
        "=",
        "0",
        ".rodata",
        "(fixed",
        "at",
        "load)",
    ]
    assert len(rows[1]) < 100
    assert "= (65536 bytes)" in rows[2]
    assert json.loads(description.as_json([one]))["variables"][0]["default"] == TABLE


def test_a_long_name_does_not_widen_its_column() -> None:
    annotations = {"org.example." + "a" * 500: "b", "org.example.short": "c"}
    lines = list(description.as_text(description_of("exitsnoop")._replace(annotations=annotations)))
    assert "format             bee" in lines
    assert f"org.example.{'a' * 500}  b" in lines
    assert "org.example.short  c" in lines


@pytest.mark.parametrize(
    ("kind", "entries", "sizes"),
    [
        ("hash", 8, "key 4, value 16 bytes, 8 entries"),
        ("ringbuf", 4096, "4096 bytes"),
        ("arena", 4, "4 pages"),
        ("perf_event_array", 0, "key 4, value 16 bytes, one entry per CPU"),
        ("perf_event_array", 3, "key 4, value 16 bytes, 3 entries"),
        ("task_storage", 0, "key 4, value 16 bytes"),
    ],
)
def test_the_sizes_of_a_map(kind: str, entries: int, sizes: str) -> None:
    (found,) = description_of("exitsnoop").maps
    one = description_of("exitsnoop")._replace(
        maps=(found._replace(type=kind, key_size=4, value_size=16, max_entries=entries),)
    )
    assert f"  sizes    {sizes}" in list(description.as_text(one))


@pytest.mark.parametrize("columns", ["", "60"])
def test_a_terminal_has_a_width_and_a_pipe_has_none(tmp_path: Path, columns: str) -> None:
    env = environment(tmp_path, {"COLUMNS": columns} if columns else {})
    command = [*BEEPY, "describe", "exitsnoop"]
    piped = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert max(map(len, piped.stdout.splitlines())) > 100
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with (
        subprocess.Popen(command, env=env, stdout=theirs) as running,
        os.fdopen(ours, "rb", 0) as terminal,
    ):
        os.close(theirs)
        shown = b""
        while chunk := _read(terminal.fileno()):
            shown += chunk
    assert running.returncode == 0
    lines = [line for line in shown.decode().splitlines() if not line.startswith("digest ")]
    assert 40 < max(map(len, lines)) <= int(columns or "100")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # EIO: the other side is closed
        return b""
