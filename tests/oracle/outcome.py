"""What became of an object here: libbpf's verdict and ours, and whether they agree."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from beepy.collection.load import load
from beepy.errors import BeepyError, RelocationError
from beepy.kernel.program import Program
from beepy.obj.pinning import Pins
from tests.oracle.comparison import Compared
from tests.oracle.libbpf import Verdict

PREFIXED: Final = (
    *("socket1", "perf_event/type=1,config=0,frequency=99", "xdp/lo", "perf_event/sampler"),
    *("socket/tail", "xdp_sock"),
)
"""The sections of all these objects that only others accept, by a prefix.

The first is in our ``prefixes``, two are in our ``exporter``, one in ``gadget_trace``; then one of
cilium/ebpf's tests, and rtc-testbench's.
"""

MORE: Final[Mapping[str, str]] = {
    r"^libbpf: elf: legacy map definitions in 'maps' section are not supported": (
        'SEC("maps"): libbpf until 1.0'
    ),
    r"^libbpf: map 'print_(events|perf)': failed to create: -EINVAL$": (
        "a perf buffer that says what its records are"
    ),
    r"^libbpf: prog '\w+': SEC\(\"struct_ops\"\) program isn't referenced anywhere": (
        "an operation that no map names"
    ),
    r"^libbpf: prog 'elements': failed to prepare load attributes: -ESRCH$": (
        "SEC(iter/bpf_map_elem/MAP)"
    ),
    rf"^libbpf: prog '\w+': unrecognized ELF section name '({'|'.join(PREFIXED)})'$": (
        "a section that other loaders take by its prefix"
    ),
    r"^libbpf: sec '[^']+': program '\w+' is static and not supported$": (
        "a static program: cilium/ebpf and aya take it"
    ),
}
"""libbpf's messages about objects that only beepy loads -> what these have; see also ``plain``."""

_TAG = re.compile(r"^prog_tag:\t([0-9a-f]+)$", re.MULTILINE)
_ROW: Final = "{:45} {:10} {:10} {:>9} {:>8}  {}"


class Outcome(NamedTuple):
    """``word``: loaded, refused, or relocation (a RelocationError); ``tags``: see ``Verdict``."""

    word: str
    tags: dict[str, str]
    message: str


def ours(one: Compared, folder: Path) -> Outcome:
    """Load it; what it pins by name goes to ``folder``, and is not there for the next one."""
    if one.spec is None:
        return Outcome("refused", {}, one.why)
    own = folder / "pins"
    try:
        with load(one.spec, pins=Pins(root=str(own))) as collection:
            return Outcome(
                "loaded", {name: tag(program) for name, program in collection.programs.items()}, ""
            )
    except BeepyError as error:
        word = "relocation" if isinstance(error, RelocationError) else "refused"
        return Outcome(word, {}, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextmanager
def pins() -> Iterator[Path]:
    """Yield a private BPF file system for maps pinned by name; it vanishes with its pins."""
    with TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def tag(program: Program) -> str:
    """Return the kernel's hash of a program's instructions."""
    found = _TAG.search(Path(f"/proc/self/fdinfo/{program.fd.fileno()}").read_text())
    assert found
    return found[1]


def theirs(verdict: Verdict) -> str:
    """Return libbpf's word."""
    if verdict.loaded:
        return "loaded"
    return "relocation" if verdict.failed else "refused"


def more(verdict: Verdict) -> str:
    """Return what libbpf refuses and we do not, "" if it should be refused."""
    return next(
        (why for told, why in MORE.items() if re.search(told, verdict.log, re.MULTILINE)), ""
    )


def agree(verdict: Verdict, got: Outcome) -> bool:
    """Return whether both loaded equal programs, or both refused the same program or map.

    What this kernel lacks we tell before it is asked to take anything, libbpf just before it loads
    that program.
    """
    if verdict.loaded:
        return got.word == "loaded" and all(
            got.tags.get(name) == tag for name, tag in verdict.tags.items()
        )
    if verdict.failed:
        return got.word == "relocation"
    if got.word == "loaded":
        return bool(more(verdict))
    asked = got.message.startswith(("VerifierError: ", "KernelError: "))
    return f"'{verdict.refused}'" in got.message or not (verdict.refused and asked)


class Table:
    """A row an object, as it is loaded; ``wrong`` are the rows of those that we do not agree about.

    ``folder``: see ``pins``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines = [_ROW.format("object", "libbpf", "ours", "decisions", "programs", "why")]
        self.wrong: list[str] = []
        self.loaded = self._equal = self._told = 0

    def add(self, one: Compared) -> None:
        """Load the object, and compare."""
        got, tags = ours(one, self._folder), one.verdict.tags
        same = sum(got.tags.get(name) == tag for name, tag in tags.items())
        decisions = f"{one.equal}/{len(one.verdict.decisions)}"
        why = more(one.verdict) if got.word == "loaded" and not one.verdict.loaded else got.message
        row = (
            str(one.object),
            theirs(one.verdict),
            got.word,
            decisions,
            f"{same}/{len(tags)}",
            why[:100],
        )
        self.lines.append(_ROW.format(*row).rstrip())
        if not agree(one.verdict, got):
            self.wrong.append(self.lines[-1])
        self.loaded += one.verdict.loaded
        self._equal += one.equal
        self._told += len(one.verdict.decisions)

    def sum(self) -> str:
        """Return it in one line."""
        decisions = f"{self._equal} of {self._told} decisions equal"
        return (
            f"{len(self.lines) - 1} objects, {self.loaded} loaded, {decisions}, "
            f"{len(self.wrong)} verdicts differ"
        )
