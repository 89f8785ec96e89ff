"""Notice objects that have several programs for one point, of which their own tool loads one.

The tools of libbpf-tools choose when they start: a ``fentry`` where the kernel can, else a
``kprobe``. If both are attached, what they count in common maps is counted twice.
"""

from collections.abc import Iterator
from typing import Final

from beepy import sections
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.sections import Hook, Mechanism
from beepy.text import safe
from beepy.uapi import AttachType, ProgType

_MAX_LISTED: Final = 8  # programs in a message
_TRACEPOINTS: Final = frozenset((Mechanism.RAW_TRACEPOINT, Mechanism.TRACEPOINT))
_KPROBES: Final = frozenset((Mechanism.KPROBE, Mechanism.KPROBE_MULTI))
_FUNCTIONS: Final = frozenset((AttachType.TRACE_FENTRY, AttachType.TRACE_FEXIT))


def of(spec: CollectionSpec) -> Iterator[str]:
    """Yield a line if several kinds of programs run at the same points, with what to type."""
    points: dict[tuple[str, str], list[tuple[Hook, ProgramSpec]]] = {}
    for program in spec.loaded:
        hook = sections.find(program.section)
        kind = _kind(hook) if hook else ""
        if hook and kind:
            target = program.attach_to or sections.target(hook, program.section)
            point = kind, target.rpartition("/")[2]
            points.setdefault(point, []).append((hook, program))
    several = {
        point: sorted(found, key=lambda pair: pair[0].prog_type != ProgType.TRACING)
        for point, found in points.items()
        if point[1] and len({hook[:3] for hook, _ in found}) > 1
    }
    if not several:
        return
    (_, name), found = next(iter(several.items()))
    others = {
        program.name for pairs in several.values() for hook, program in pairs if hook != pairs[0][0]
    }
    kept = [program.name for program in spec.loaded if program.name not in others]
    options = " ".join([f"--prog {safe(name)}" for name in kept])
    advice = f"{options} loads one for each" if len(kept) <= _MAX_LISTED else "--prog chooses"
    both = " and ".join([f"'{safe(program.name)}'" for _, program in found[:: len(found) - 1]])
    more = f" (and so at {len(several) - 1} more points)" if len(several) > 1 else ""
    yield (
        f"programs {both} attach to {safe(name)}{more}: "
        f"their tool may load one of them, and events may be counted twice: {advice}"
    )


def _kind(hook: Hook) -> str:
    """Return what kind of point programs of a section attach to, "" for other kinds."""
    if hook.mechanism in _TRACEPOINTS or hook.attach_type == AttachType.TRACE_RAW_TP:
        return "tracepoint"
    if hook.mechanism in _KPROBES or hook.attach_type in _FUNCTIONS:
        at_end = hook.returns or hook.attach_type == AttachType.TRACE_FEXIT
        return "return" if at_end else "entry"
    return ""
