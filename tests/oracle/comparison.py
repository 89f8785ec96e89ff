"""An object as libbpf sees it, and as we do."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from beepy.errors import ObjectError
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from tests.oracle import libbpf, newest, objects, ours
from tests.oracle.convention import plain
from tests.oracle.libbpf import Verdict
from tests.oracle.objects import Made, Object
from tests.oracle.ours import Decided

_AT_ONCE = 2


class Compared(NamedTuple):
    """Both sides' word on one object; libbpf was given one without bee's conventions.

    ``spec`` is None for what we refuse to parse, and ``why`` says why.
    """

    object: Object
    spec: CollectionSpec | None
    why: str
    verdict: Verdict
    decided: Decided

    @property
    def equal(self) -> int:
        """The number of libbpf's decisions that are ours too."""
        return sum(
            self.decided.decisions.get(at) == one for at, one in self.verdict.decisions.items()
        )

    def differences(self) -> list[str]:
        """Return a line for each of libbpf's decisions that is not ours."""
        object_, _, why, verdict, decided = self
        refused, kind, what = verdict.failed or ("", "", "")
        message = decided.failed.get(refused, why or "ours accepts it")
        lines = (
            []
            if kind in message and what in message
            else [f"{object_}: {refused}: {kind} {what}: {message}"]
        )
        lines += [
            f"{object_}: {name}: {text}" for name, text in decided.failed.items() if name != refused
        ]
        for at, theirs in verdict.decisions.items():
            mine = decided.decisions.get(at)
            if mine != theirs:
                lines.append(f"{object_}: {at}: libbpf {theirs}, ours {mine}")
            if verdict.widths.get(at) != decided.widths.get(at):
                lines.append(
                    f"{object_}: {at}: "
                    f"width {verdict.widths.get(at)}, ours {decided.widths.get(at)}"
                )
        # libbpf relocated everything, so there are no more decisions than its own.
        if verdict.decisions and not verdict.failed:
            lines += [
                f"{object_}: {at}: libbpf tells of none"
                for at in decided.decisions.keys() - verdict.decisions
            ]
        return lines


def ask(bpftool: Path, one: Object, folder: Path) -> Verdict:
    """Ask libbpf; ``folder`` takes its input by family: two families may have equal names."""
    given = folder / one.family / one.path.name
    given.parent.mkdir(parents=True, exist_ok=True)
    data = one.path.read_bytes()
    given.write_bytes(plain(data) if one.ours else data)
    return libbpf.load(bpftool, given)


def compare(one: Object, verdict: Verdict) -> Compared:
    """Set our word beside libbpf's."""
    data = one.path.read_bytes()
    try:
        spec = parse(data, str(one))
    except ObjectError as error:
        return Compared(one, None, str(error), verdict, Decided({}, {}, set(), {}))
    return Compared(one, spec, "", verdict, ours.decide(spec, data))


class Families:
    """Objects and comparisons by family, created at the first use; ``folder`` holds the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Made] = {}
        self._compared: dict[str, list[Compared]] = {}

    def made(self, family: str) -> Made:
        """Return the objects of a family, and what the compiler said."""
        if family not in self._made:
            self._made[family] = objects.make(family, self._folder / family)
        return self._made[family]

    def objects(self, family: str) -> list[Object]:
        """Return the objects of a family."""
        return self.made(family).objects

    def named(self, family: str) -> dict[str, Path]:
        """Return their files by name."""
        return {one.name: one.path for one in self.objects(family)}

    def __getitem__(self, family: str) -> list[Compared]:
        """Return a family's objects as libbpf and we see them."""
        if family not in self._compared:
            folder = self._folder / "plain"
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                verdicts = pool.map(
                    partial(ask, newest.bpftool(), folder=folder), self.objects(family)
                )
                self._compared[family] = [
                    compare(*pair) for pair in zip(self.objects(family), verdicts, strict=True)
                ]
        return self._compared[family]
