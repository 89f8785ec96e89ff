"""What is said of a program whose section libbpf does not know."""

from beepy import hooks
from beepy.errors import UnsupportedSection
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.text import safe


def unknown_section(spec: CollectionSpec, program: ProgramSpec) -> UnsupportedSection:
    """Return the error, with what was looked for, and which programs of the object can run."""
    section = program.section.removeprefix("?")
    where = f"{safe(spec.name)}: program '{safe(program.name)}': section '{safe(section)}'"
    error = UnsupportedSection(f"{where}: no program type is known by that name")
    error.add_note(_looked_for(section))
    known = [one.name for one in spec.loaded if hooks.find(one.section)]
    if known:
        error.add_note(f"the others run alone: {' '.join([f'--prog {safe(name)}' for name in known])}")
    return error


def _looked_for(section: str) -> str:
    """Return which of libbpf's sections the name begins with, or is most like."""
    names = {hook.section.rstrip("+"): hook for hook in hooks.TABLE}
    begins = [name for name in names if section.startswith(name)]
    if not begins:
        from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

        similar = get_close_matches(section.partition("/")[0], names, 3)
        nearest = f"; similar ones: {', '.join(similar)}" if similar else ""
        return f"sections are named as in libbpf, whole or before a '/': none fits{nearest}"
    name = max(begins, key=len)
    rest = section[len(name) :]
    whole = f'libbpf knows SEC("{name}")'
    if rest.startswith("/"):
        takers = hooks.TAKES.get(names[name].module, ())
        flag = ", and --iface says where" if "iface" in takers else ""
        return f"{whole} without '{safe(rest)}' after it: name it so in the source{flag}"
    return f"{whole}, not '{safe(rest)}' right after it: name it so in the source"
