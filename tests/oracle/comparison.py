"""An object as libbpf sees it, and as we do."""

from pathlib import Path
from typing import NamedTuple

from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from tests.oracle import libbpf, objects, ours
from tests.oracle.convention import plain
from tests.oracle.libbpf import Verdict
from tests.oracle.objects import Object
from tests.oracle.ours import Decided


class Compared(NamedTuple):
    """Both sides' word on one object; libbpf was given one without bee's conventions."""

    object: Object
    spec: CollectionSpec
    verdict: Verdict
    decided: Decided

    @property
    def equal(self) -> int:
        """The number of libbpf's decisions that are ours too."""
        return sum(self.decided.decisions.get(at) == one for at, one in self.verdict.decisions.items())

    def differences(self) -> list[str]:
        """Return a line for each of libbpf's decisions that is not ours."""
        object_, _, verdict, decided = self
        refused, kind, what = verdict.failed or ("", "", "")
        message = decided.failed.get(refused, "ours accepts it")
        lines = [] if kind in message and what in message else [f"{object_}: {refused}: {kind} {what}: {message}"]
        lines += [f"{object_}: {name}: {text}" for name, text in decided.failed.items() if name != refused]
        for at, theirs in verdict.decisions.items():
            mine = decided.decisions.get(at)
            if mine != theirs:
                lines.append(f"{object_}: {at}: libbpf {theirs}, ours {mine}")
            if verdict.widths.get(at) != decided.widths.get(at):
                lines.append(f"{object_}: {at}: width {verdict.widths.get(at)}, ours {decided.widths.get(at)}")
        if verdict.decisions and not verdict.failed:  # it relocated to the end, so ours are no more than these
            lines += [f"{object_}: {at}: libbpf tells of none" for at in decided.decisions.keys() - verdict.decisions]
        return lines


def compare(one: Object, folder: Path) -> Compared:
    """Ask both; ``folder`` takes what libbpf is given."""
    data = one.path.read_bytes()
    spec = parse(data, str(one))
    folder.mkdir(exist_ok=True)
    given = folder / one.path.name
    given.write_bytes(data if one.family == objects.DEBIAN else plain(data))
    return Compared(one, spec, libbpf.load(given), ours.decide(spec, data))
