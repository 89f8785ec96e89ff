"""Our exitsnoop beside libbpf-tools', on the same 2,000 processes: every end once, and right."""

import json
import re
import shutil
import signal
from collections import Counter

import pytest

from tests.support import apart, exits
from tests.support.command import Beepy, Running
from tests.support.exits import NAMES, SIGNALS, Ended, Exit

pytestmark = pytest.mark.kernel

TOTAL = 2000
CORE = 0x80  # struct task_struct.exit_code: a core was dumped

# Names hold newlines; but they are padded to 16 bytes.
THEIRS = re.compile(
    rb"(?s)(.{16}) (\d+) +(\d+) +\d+ +[\d.]+ +"
    rb"(?:0|code (\d+)|signal (\d+) \([^)]*\)(?:, core dumped)?) *\n"
)
LOST = re.compile(rb"[Ll]ost (\d+) events")

Row = tuple[int, int, int, int, str]  # pid, ppid, exit code, signal, name


def plan() -> list[Exit]:
    planned = []
    for number in range(TOTAL):
        name = NAMES[number % len(NAMES)]
        if number % 7:
            planned.append(Exit(name, code=number % 256))
        else:
            planned.append(Exit(name, signal=SIGNALS[number % len(SIGNALS)]))
    return planned


def row(one: Ended) -> Row:
    return one.pid, one.ppid, one.code, one.signal, one.text


def ours(line: str) -> Row:
    found = json.loads(line)
    return found["pid"], found["ppid"], found["exit_code"], found["sig"] & ~CORE, found["comm"]


def theirs(out: bytes) -> list[Row]:
    rows = []
    for name, pid, ppid, code, number in THEIRS.findall(out):
        # what is padded cannot be told from blanks at the end
        rows.append(
            (int(pid), int(ppid), int(code or 0), int(number or 0), text(name.rstrip(b" ")))
        )
    return rows


def text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def blanks_apart(one: Row) -> Row:
    return *one[:4], one[4].rstrip(" ")


def exitsnoop() -> Running:
    for program in ("exitsnoop", "stdbuf"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    mounted = "[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing"
    script = f"{mounted} && exec stdbuf -oL exitsnoop"
    return Running([*apart.command(), "sh", "-c", script])


@pytest.mark.usefixtures("same_pids")
def test_beside_exitsnoop(beepy: Beepy) -> None:
    planned = plan()
    assert len({one.name for one in planned}) >= 50
    assert len({one.signal for one in planned if one.signal}) == 5
    with exitsnoop() as other, beepy.start("-v", "run", "exitsnoop", "-o", "json") as running:
        # The tool writes this once it has its buffers and is attached.
        other.until(lambda: b"EXIT_CODE\n" in other.out)
        running.until_attached()
        ended = exits.fork(planned)
        wanted = Counter(map(row, ended))
        assert len(wanted) == TOTAL
        # Another's process may have had the number just before.
        ours_alone = {(one.pid, one.ppid) for one in ended}
        done = running.end()

        def seen() -> list[Row]:
            return [one for one in theirs(other.out) if one[:2] in ours_alone]

        def lost() -> int:
            return sum(map(int, LOST.findall(other.err)))

        other.until(lambda: len(seen()) + lost() >= TOTAL)
        other.end(signal.SIGINT)

    assert done.code == 0
    found = Counter([one for one in map(ours, done.out.splitlines()) if one[:2] in ours_alone])
    assert found == wanted
    assert done.out.isascii()
    # runs that the kernel skips beside other programs are of other processes: ours are all there
    # beepy's own are threads: with -v, the one that reads what the program costs
    own = r"(?:, \d+ of beepy's own left out)?"
    closing = rf"beepy: (\d+) shown, 0 filtered{own}, 0 lost(?:, \d+ missed runs?)?, \d+\.\d s"
    told = re.fullmatch(closing, done.said[-1])
    assert told, done.said[-1]
    assert int(told[1]) == len(done.out.splitlines())

    both = Counter(seen())
    mine = Counter(map(blanks_apart, wanted))
    assert both - mine == Counter()
    assert (mine - both).total() <= lost()
    print(f"exitsnoop: {both.total()} of {TOTAL} equal ours, {lost()} reported lost")
