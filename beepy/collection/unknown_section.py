"""The error for a program with a section that no loader knows."""

from beepy import sections
from beepy.errors import UnsupportedSection
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.text import safe, similar


def unknown_section(spec: CollectionSpec, program: ProgramSpec) -> UnsupportedSection:
    """Return the error, with a note on which programs can run without it."""
    why = reason(program.section.removeprefix("?"))
    error = UnsupportedSection(f"{safe(spec.name)}: program '{safe(program.name)}': {why}")
    others = [other.name for other in spec.loaded if sections.find(other.section)]
    if others:
        options = " ".join([f"--prog {safe(name)}" for name in others])
        error.add_note(f"the others run without it: {options}")
    return error


def reason(section: str) -> str:
    """Return why a program of a section, without a leading "?", cannot be loaded."""
    meant = _probably_meant(section)
    expected = f', expected SEC("{safe(meant)}")' if meant else ""
    return f"section '{safe(section)}': no program type is known by that name{expected}"


def _probably_meant(name: str) -> str:
    """Return the section that was probably meant by ``name``, "" if none is similar.

    ``name`` begins with a known section (``kprobe.x/f``) or with a misspelled one
    (``kprob/vfs_read``).
    """
    rows = {hook.section.rstrip("+"): hook.section for hook in sections.TABLE}
    prefixes = [
        prefix
        for prefix in rows
        if name.startswith(prefix) and not name[len(prefix) :][:1].isalpha()
    ]
    head, _, target_name = name.partition("/")
    close = [max(prefixes, key=len)] if prefixes else similar(head, rows)
    if not close:
        return ""
    takes_target = rows[close[0]].endswith("+")
    return f"{close[0]}/{target_name}" if target_name and takes_target else close[0]
