"""What a kernel says of the objects that are described: the running one, or the one whose types are in a file."""

from collections.abc import Mapping, Sequence

from beepy.analysis.description import CheckInfo
from beepy.check.check import ERROR, CheckResult, fixups
from beepy.check.check import check as check_object
from beepy.core.resolve import Fixup
from beepy.host import btf_file
from beepy.obj.spec import CollectionSpec


def ask(
    specs: Sequence[CollectionSpec], btf: str, *, check: bool
) -> list[tuple[CheckInfo | None, Mapping[str, Sequence[Fixup]]]]:
    """Return for each object whether it can run (``check``), and what its relocations become, by program.

    ``btf`` is a file of types, "" for the running kernel. Raises KernelError or BtfError for the file, and
    RelocationError unless ``check`` is to tell it.
    """
    types = btf_file.read(btf) if btf else None
    if not check:
        return [(None, fixups(spec, types)) for spec in specs]
    checked = [check_object(spec, types) for spec in specs]
    return [(_info(one), one.fixups) for one in checked]


def _info(checked: CheckResult) -> CheckInfo:
    errors = [finding for finding in checked.findings if finding.level == ERROR]
    return CheckInfo(
        checked.kernel,
        checked.runs,
        tuple([finding.text for finding in errors]),
        tuple([finding.text for finding in checked.findings if finding.level != ERROR]),
        tuple([finding.text for finding in errors if finding.skipped]),
    )
