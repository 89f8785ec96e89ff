"""What is tried once a kernel has refused: the same in an older way, where a probe says that this kernel needs it."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.btf.types import CONTEXT_TAG, TypeId
from beepy.errors import KernelError
from beepy.kernel import btf as kernel_btf
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import CALL, Insn
from beepy.obj.spec import CollectionSpec
from beepy.sections import Hook
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import HELPERS, NO_ATTACH_TYPE, AttachType, ProgType

_log = Log(__name__)

_BOOT: Final = "ktime_get_boot_ns"


class Types(NamedTuple):
    """An object's types in the kernel; ``functions``: programs may refer to them by func_info and line_info.

    ``contexts`` are the types of functions that have another one in programs of some type.
    """

    fd: Fd
    functions: bool = True
    contexts: Mapping[tuple[ProgType, TypeId], TypeId] = MappingProxyType({})


class Variant(NamedTuple):
    """One form of a program to try; ``warnings`` and ``notes`` are logged if it is the form that the kernel takes."""

    insns: tuple[Insn, ...]
    attach_type: AttachType
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_types(spec: CollectionSpec, uses: Iterable[tuple[ProgType, TypeId]] = ()) -> Types | None:
    """Give the kernel the types of ``spec``, without what it does not know; the caller closes them.

    ``uses`` are the functions of programs, by the type of these. None where there are no types, or the kernel takes
    none: libbpf goes on without as well. Raises KernelError (EPERM) where nothing else would be allowed either.
    """
    if spec.btf is None:
        return None
    btf, contexts = _with_contexts(spec, spec.btf, uses)
    try:
        return Types(kernel_btf.load(btf.data), contexts=contexts)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        refused = error
    from beepy.btf import correct, downgrade  # noqa: PLC0415 - only where the kernel refuses
    from beepy.features import Feature  # noqa: PLC0415 - as above
    from beepy.kernel import features  # noqa: PLC0415 - as above

    lacking = {feature for feature in downgrade.used(btf) if not features.has(feature)}
    accepted = correct.corrected(btf)
    changes = [] if accepted is btf else ["names and encodings that no kernel takes"]
    if lacking:
        accepted = downgrade.downgraded(accepted, lacking)
        changes += sorted(f"{feature.text} (since {feature.since})" for feature in lacking)
    if changes:
        try:
            fd = kernel_btf.load(accepted.data)
        except KernelError as error:
            refused = error
        else:
            _log.info("%s: types are loaded without %s", safe(spec.name), ", ".join(changes))
            return Types(fd, Feature.FUNC not in lacking, contexts)
    _log.warning("%s: types are not loaded, programs go without: %s", safe(spec.name), refused)
    return None


def _with_contexts(
    spec: CollectionSpec, btf: Btf, uses: Iterable[tuple[ProgType, TypeId]]
) -> tuple[Btf, Mapping[tuple[ProgType, TypeId], TypeId]]:
    """Return the types, with other ones of the functions whose tagged argument the kernel would not know."""
    if not btf.named(CONTEXT_TAG):
        return btf, {}
    from beepy.btf import ctx_args  # noqa: PLC0415 - few objects have such functions
    from beepy.features import Feature  # noqa: PLC0415 - as above
    from beepy.kernel import features  # noqa: PLC0415 - as above

    if features.has(Feature.ARG_CTX_TAG):
        return btf, {}
    why = f"this kernel does not read their tags (since {Feature.ARG_CTX_TAG.since})"
    _log.info("%s: contexts are told by name: %s", safe(spec.name), why)
    return ctx_args.rewrite_ctx_args(btf, uses)


def first_accepted(name: str, variants: Iterable[Variant], submit: Callable[[Variant], Program]) -> Program:
    """Return the first of a program's ``variants`` that the kernel takes from ``submit``.

    Raises the KernelError of the last one; EPERM at once, for no other form would be allowed.
    """
    for variant in variants:
        try:
            program = submit(variant)
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise
            refused = error
            continue
        for text in variant.warnings:
            _log.warning("program '%s': %s", safe(name), text)
        for text in variant.notes:
            _log.info("program '%s': %s", safe(name), text)
        return program
    raise refused


def variants(insns: tuple[Insn, ...], hook: Hook) -> Iterator[Variant]:
    """Yield a program as it is, then with what older kernels have in place of what this one lacks.

    The kernel is not probed before the second is asked for; the caller does so once the first was refused.
    """
    yield Variant(insns, hook.attach_type)
    from beepy.features import Feature  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import features  # noqa: PLC0415 - as above

    older, replaced = _with_older_helpers(insns)
    attach_type = hook.attach_type
    if hook.optional and attach_type and not features.has(Feature.EXP_ATTACH_TYPE):
        attach_type = NO_ATTACH_TYPE
    if not replaced and attach_type == hook.attach_type:
        return
    warnings = [f"times do not count suspension: this kernel has no {_BOOT}"] if _BOOT in replaced else []
    notes = [f"{helper} in place of {lacked}" for lacked, helper in replaced.items() if lacked != _BOOT]
    yield Variant(older, attach_type, tuple(warnings), tuple(notes))


def _with_older_helpers(insns: tuple[Insn, ...]) -> tuple[tuple[Insn, ...], dict[str, str]]:
    """Return the instructions with older helpers in place of those that the kernel lacks, and which by which."""
    from beepy.features import OLDER_HELPERS  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import features  # noqa: PLC0415 - as above

    called = {insn.imm for insn in insns if _calls_helper(insn)}
    lacking = sorted(number for number in called & OLDER_HELPERS.keys() if not features.has_helper(number))
    older = [
        insn._replace(imm=OLDER_HELPERS[insn.imm]) if _calls_helper(insn) and insn.imm in lacking else insn
        for insn in insns
    ]
    return tuple(older), {HELPERS[number]: HELPERS[OLDER_HELPERS[number]] for number in lacking}


def _calls_helper(insn: Insn) -> bool:
    return insn.code == CALL and insn.src == 0
