"""What is known of an image: read from it, and, if that is wanted, asked of a kernel."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from beepy.btf.btf import Btf
from beepy.collection.findings import Checked
from beepy.core.resolve import Fixup
from beepy.describe import Description, describe
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.source import parse


def inspect(
    image: Image, *, check: bool = False, btf: Btf | str | Path | None = None, relocations: bool = False
) -> list[Description]:
    """Return a description of each object of an image.

    ``check`` asks whether a kernel can run it, ``relocations`` what each CO-RE relocation is, with ``btf`` or ``check``
    also what it becomes. The kernel is this one, or the one whose types are ``btf``. Raises ObjectError; with ``btf``
    or ``check`` also KernelError, BtfError for the file, and RelocationError unless ``check`` is to report it.
    """
    # what is not shown has a line of its own
    specs = [parse(image, number, warn=False) for number in range(len(image.programs))]
    if not check and not (btf and relocations):
        return [describe(image, spec, relocations=relocations) for spec in specs]
    return [
        describe(image, spec, relocations=relocations, fixups=fixups, checked=checked)
        for spec, (checked, fixups) in zip(specs, _ask(specs, btf, check=check), strict=True)
    ]


def _ask(
    specs: Sequence[CollectionSpec], btf: Btf | str | Path | None, *, check: bool
) -> list[tuple[Checked | None, Mapping[str, Sequence[Fixup]]]]:
    """Return for each object whether it can run (``check``), and what its relocations become, by program."""
    from beepy.collection import check as asking  # noqa: PLC0415 - only here the kernel is looked at
    from beepy.kernel import btf_file  # noqa: PLC0415

    types = btf_file.read(str(btf)) if isinstance(btf, str | Path) else btf
    if not check:
        return [(None, asking.fixups(spec, types)) for spec in specs]
    checked = [asking.check(spec, types) for spec in specs]
    return [(one, one.fixups) for one in checked]
