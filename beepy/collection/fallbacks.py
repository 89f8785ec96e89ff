"""What is tried once a kernel has refused: the same in an older way, where a probe says that this kernel needs it."""

import errno
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.btf.types import CONTEXT_TAG, TypeId
from beepy.errors import KernelError
from beepy.hooks import Hook
from beepy.kernel import btf as kernel_btf
from beepy.kernel import features
from beepy.kernel.fd import Fd
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import CALL, Insn
from beepy.obj.spec import CollectionSpec
from beepy.text import safe
from beepy.uapi import HELPERS, NO_ATTACH_TYPE, AttachType, ProgType

_log = Log(__name__)

OLDER: Final = {
    HELPERS.index(newer): HELPERS.index(older)
    for newer, older in {
        "probe_read_user": "probe_read",
        "probe_read_kernel": "probe_read",
        "probe_read_user_str": "probe_read_str",
        "probe_read_kernel_str": "probe_read_str",
        "ktime_get_boot_ns": "ktime_get_ns",
    }.items()
}
"""Helper -> the older one that does the same where the kernel lacks it, as libbpf; the clock's is beepy's own."""

_BOOT: Final = HELPERS.index("ktime_get_boot_ns")


class Types(NamedTuple):
    """An object's types in the kernel; ``functions``: programs may refer to them by func_info and line_info.

    ``contexts`` are the types of functions that have another one in programs of some type.
    """

    fd: Fd
    functions: bool = True
    contexts: Mapping[tuple[ProgType, TypeId], TypeId] = MappingProxyType({})


def load_types(spec: CollectionSpec, uses: Iterable[tuple[ProgType, TypeId]] = ()) -> Types | None:
    """Give the kernel the types of ``spec``, without what it does not know; the caller closes them.

    ``uses`` are the functions of programs, by the type of these. None where there are no types, or the kernel takes
    none: libbpf goes on without as well. Raises KernelError (EPERM) where nothing else would be allowed either.
    """
    if spec.btf is None:
        return None
    btf, found = _with_contexts(spec, spec.btf, uses)
    try:
        return Types(kernel_btf.load(btf.data), contexts=found)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        refused = error
    from beepy.btf import correct, downgrade  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import btf_features  # noqa: PLC0415

    lacking = {feature for feature in downgrade.used(btf) if not btf_features.takes(feature)}
    taken = correct.corrected(btf)
    changes = [] if taken is btf else ["names and encodings that no kernel takes"]
    if lacking:
        taken = downgrade.downgraded(taken, lacking)
        changes += sorted(f"{feature.text} (since {feature.since})" for feature in lacking)
    if changes:
        try:
            fd = kernel_btf.load(taken.data)
        except KernelError as error:
            refused = error
        else:
            _log.info("%s: types are loaded without %s", safe(spec.name), ", ".join(changes))
            return Types(fd, downgrade.Feature.FUNC not in lacking, found)
    _log.warning("%s: types are not loaded, programs go without: %s", safe(spec.name), refused)
    return None


def _with_contexts(
    spec: CollectionSpec, btf: Btf, uses: Iterable[tuple[ProgType, TypeId]]
) -> tuple[Btf, Mapping[tuple[ProgType, TypeId], TypeId]]:
    """Return the types, with other ones of the functions whose tagged argument the kernel would not know."""
    if not btf.named(CONTEXT_TAG):
        return btf, {}
    from beepy.btf import ctx_args  # noqa: PLC0415 - few objects have such functions
    from beepy.kernel import btf_features  # noqa: PLC0415

    if btf_features.reads_context_tags():
        return btf, {}
    _log.info("%s: contexts are told by name: this kernel does not read their tags (since 6.8)", safe(spec.name))
    return ctx_args.rewrite_ctx_args(btf, uses)


def load_program(
    attempt: Callable[[tuple[Insn, ...], AttachType], Program], name: str, insns: tuple[Insn, ...], hook: Hook
) -> Program:
    """Load a program by ``attempt``; if it is refused, again with what an older kernel has in place of what this lacks.

    Raises KernelError as ``attempt`` does.
    """
    try:
        return attempt(insns, hook.attach_type)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        refused = error
    # the kernel's reason stands unless something is left to try
    older = _with_older_helpers(name, insns)
    attach_type = hook.attach_type
    if hook.optional and attach_type and not features.takes_attach_types():
        attach_type = NO_ATTACH_TYPE
    if older == insns and attach_type == hook.attach_type:
        raise refused
    return attempt(older, attach_type)


def _with_older_helpers(name: str, insns: tuple[Insn, ...]) -> tuple[Insn, ...]:
    called = {insn.imm for insn in insns if insn.code == CALL and insn.src == 0}
    lacking = {helper for helper in called & OLDER.keys() if not features.knows_helper(helper)}
    for helper in sorted(lacking):
        older = HELPERS[OLDER[helper]]
        if helper == _BOOT:
            _log.warning(
                "program '%s': times do not count suspension: this kernel has no %s", safe(name), HELPERS[_BOOT]
            )
        else:
            _log.info("program '%s': %s in place of %s", safe(name), older, HELPERS[helper])
    return tuple(
        [
            insn._replace(imm=OLDER[insn.imm]) if insn.code == CALL and insn.src == 0 and insn.imm in lacking else insn
            for insn in insns
        ]
    )
