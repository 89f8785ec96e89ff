"""Older forms of types and programs to try after a kernel has refused the first."""

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
    """An object's BTF in the kernel.

    ``functions``: it has FUNC types, which func_info and line_info refer to. ``contexts`` has the
    types of the functions whose context argument must be of another type, by program type.
    """

    fd: Fd
    functions: bool = True
    contexts: Mapping[tuple[ProgType, TypeId], TypeId] = MappingProxyType({})


class Variant(NamedTuple):
    """One form of a program to try; ``warnings`` and ``notes`` are logged if it is accepted."""

    insns: tuple[Insn, ...]
    attach_type: AttachType
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_types(spec: CollectionSpec, uses: Iterable[tuple[ProgType, TypeId]] = ()) -> Types | None:
    """Load the BTF of ``spec``, without what the kernel does not know; the caller closes it.

    ``uses`` are pairs of a program type and a function in such a program. Returns None if the
    object has no BTF or the kernel refuses it: libbpf continues without it as well. Raises
    KernelError (EPERM) if the process may not use bpf() at all.
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
    changes = [] if accepted is btf else ["names and encodings that every kernel refuses"]
    if lacking:
        accepted = downgrade.downgraded(accepted, lacking)
        changes += sorted(f"{feature.text} (since {feature.since})" for feature in lacking)
    if changes:
        try:
            fd = kernel_btf.load(accepted.data)
        except KernelError as error:
            refused = error
        else:
            _log.info("%s: BTF loaded without %s", safe(spec.name), ", ".join(changes))
            return Types(fd, Feature.FUNC not in lacking, contexts)
    _log.warning("%s: BTF not loaded, continuing without: %s", safe(spec.name), refused)
    return None


def _with_contexts(
    spec: CollectionSpec, btf: Btf, uses: Iterable[tuple[ProgType, TypeId]]
) -> tuple[Btf, Mapping[tuple[ProgType, TypeId], TypeId]]:
    """Return the types, with ``arg:ctx`` tags rewritten if the kernel does not read them."""
    if not btf.named(CONTEXT_TAG):
        return btf, {}
    from beepy.btf import ctx_args  # noqa: PLC0415 - few objects have such functions
    from beepy.features import Feature  # noqa: PLC0415 - as above
    from beepy.kernel import features  # noqa: PLC0415 - as above

    if features.has(Feature.ARG_CTX_TAG):
        return btf, {}
    reason = f"this kernel does not read them (since {Feature.ARG_CTX_TAG.since})"
    _log.info("%s: rewriting arg:ctx tags: %s", safe(spec.name), reason)
    return ctx_args.rewrite_ctx_args(btf, uses)


def first_accepted(
    name: str, variants: Iterable[Variant], submit: Callable[[Variant], Program]
) -> Program:
    """Load the first of a program's ``variants`` that the kernel accepts, by ``submit``.

    Raises the KernelError of the last variant; EPERM at once, since none would be allowed.
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
    """Yield a program as it is, then with older forms of the features that this kernel lacks.

    The kernel is probed before the second variant is yielded: only after the first was refused.
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
    warnings, notes = [], []
    for newer_helper, older_helper in replaced.items():
        if newer_helper == _BOOT:
            warnings.append(f"timestamps exclude suspend: this kernel has no {_BOOT}")
        else:
            notes.append(f"{older_helper} in place of {newer_helper}")
    yield Variant(older, attach_type, tuple(warnings), tuple(notes))


def _with_older_helpers(insns: tuple[Insn, ...]) -> tuple[tuple[Insn, ...], dict[str, str]]:
    """Return the instructions with older helpers, and which of them replaced which."""
    from beepy.features import OLDER_HELPERS  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import features  # noqa: PLC0415 - as above

    called = {insn.imm for insn in insns if _calls_helper(insn)}
    lacking = sorted(
        number for number in called & OLDER_HELPERS.keys() if not features.has_helper(number)
    )
    older = [
        insn._replace(imm=OLDER_HELPERS[insn.imm])
        if _calls_helper(insn) and insn.imm in lacking
        else insn
        for insn in insns
    ]
    return tuple(older), {HELPERS[number]: HELPERS[OLDER_HELPERS[number]] for number in lacking}


def _calls_helper(insn: Insn) -> bool:
    return insn.code == CALL and insn.src == 0
