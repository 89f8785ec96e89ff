"""Find exception callbacks: functions that run when a program throws (``bpf_throw``).

A program without a callback returns 0. ``__exception_cb(name)`` tags the program's function in BTF
(bpf_experimental.h). Nothing calls the callback, so it must be appended to the program by this tag.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import Kind, Linkage
from beepy.errors import ElfError
from beepy.obj.sections import TEXT
from beepy.obj.spec import FunctionSpec
from beepy.text import safe

_TAG: Final = "exception_callback:"


def read(where: str, btf: Btf, functions: Sequence[FunctionSpec]) -> Mapping[str, int]:
    """Return the callbacks' offsets in .text by the names of their programs.

    As libbpf's ``bpf_prog_assign_exc_cb``. A program that names two gets none: the verifier refuses
    it. Raises ElfError if the tagged type or the callback is not a global function.
    """
    subprograms = {function.name: function for function in functions if function.section == TEXT}
    callbacks: dict[str, list[int]] = {}
    for type_id in btf.of_kind(Kind.DECL_TAG):
        if not btf.string(btf.name_offset(type_id)).startswith(_TAG):
            continue
        tag = btf.type(type_id)
        assert isinstance(tag, types.DeclTag)
        program = btf.type(tag.type)
        if not isinstance(program, types.Func) or program.linkage != Linkage.GLOBAL:
            raise ElfError(
                f"{where}: {safe(tag.name)}: tagged type {tag.type} is not a global function"
            )
        callback = subprograms.get(tag.name.removeprefix(_TAG))
        if callback is None or not callback.exported:
            tagged = f"{where}: program '{safe(program.name)}': {safe(tag.name)}"
            raise ElfError(f"{tagged}: not a global function in {TEXT}")
        callbacks.setdefault(program.name, []).append(callback.offset)
    return {program: offsets[0] for program, offsets in callbacks.items() if len(offsets) == 1}
