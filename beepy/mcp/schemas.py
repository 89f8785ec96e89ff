"""What the tools are called, what they say of themselves, and the arguments that they take."""

from typing import Any, Final, NamedTuple, TypeAlias

from beepy.arguments import MAX_PID, MAX_UID

Document: TypeAlias = dict[str, Any]

MIN_TIMEOUT: Final = 0.1  # seconds
_USUAL_TIMEOUT: Final = 5  # seconds
_MAX_TEXT: Final = 4096  # characters of one argument
_MAX_VALUES: Final = 64  # of one argument

INSTRUCTIONS: Final = """\
Answers questions about this machine by eBPF programs: which processes start, end, open files, \
connect, wait. First `list` the images, then `describe` one for its fields and parameters, then \
`run` it for some seconds. `run` gives a summary (counts, top values of each field) unless rows \
or the largest groups are asked for; `where` leaves out what is not of interest. Nothing is \
changed on the machine. `lost` is how many events were missed; null: nobody knows."""


class Limits(NamedTuple):
    """The most that a call may ask for: seconds, and rows."""

    seconds: float
    rows: int

    @property
    def usual_seconds(self) -> float:
        """How long a run takes if the call does not say it."""
        return min(_USUAL_TIMEOUT, self.seconds)


class Tool(NamedTuple):
    """A tool: ``arguments`` is the JSON Schema of its arguments."""

    name: str
    description: str
    arguments: Document


def _text(description: str, pattern: str = "") -> Document:
    schema: Document = {"type": "string", "description": description, "maxLength": _MAX_TEXT}
    return {**schema, "pattern": pattern} if pattern else schema


def _several(item: Document, description: str) -> Document:
    return {"type": "array", "items": item, "maxItems": _MAX_VALUES, "description": description}


def _shown(limits: Limits) -> dict[str, Document]:
    """Return the arguments that say what is shown of a run or a recording."""
    return {
        "where": _text('only rows for which this is true: ret == ENOENT and comm ~ "^ng"'),
        "fields": _text("only these fields: comm,fname; or all but some: -tid,-ppid"),
        "show": {
            "enum": ["summary", "rows"],
            "default": "summary",
            "description": "counts and the top values of each field, or the rows themselves",
        },
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": limits.rows,
            "description": "end after so many rows",
        },
        "top": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "description": "in the place of rows, this many of the largest groups; with `by`",
        },
        "by": _text("fields that groups have in common: comm,fname"),
        "sum": _text("rank groups by the sum of this field, not by their rows"),
    }  # fmt: skip


def _object(properties: dict[str, Document], *required: str) -> Document:
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


def tools(limits: Limits) -> tuple[Tool, ...]:
    """Return the tools of a server with these limits."""
    image = _text("name of an image, as `list` has it")
    no_path = "^[^/]*$"
    run = {
        "image": image,
        "timeout": {
            "type": "number",
            "minimum": MIN_TIMEOUT,
            "maximum": limits.seconds,
            "default": limits.usual_seconds,
            "description": "seconds after which the run ends",
        },
        **_shown(limits),
        "set": {
            "type": "object",
            "description": "parameters by name, as `describe` has them",
            "maxProperties": _MAX_VALUES,
        },
        "pid": _several(
            {"type": "integer", "minimum": 1, "maximum": MAX_PID}, "only events of these processes"
        ),
        "comm": _several(_text("1 to 15 bytes"), "only events of processes with these names"),
        "uid": _several(
            {"type": "integer", "minimum": 0, "maximum": MAX_UID}, "only events of these users"
        ),
        "container": _several(_text("name or id", no_path), "only events in these containers"),
        "pod": _several(_text("uid", no_path), "only events in these pods"),
        "unit": _several(_text("such as nginx.service", no_path), "only events of these units"),
        "iface": _text("network interface, for images that attach to one", no_path),
    }
    recording = _text("name of a recording, as `list` has it", no_path)
    return (
        Tool("list", "List the images and recordings that are here.", _object({})),
        Tool(
            "describe",
            "Describe an image: its rows as a JSON Schema, its parameters, what it changes.",
            _object({"image": image}, "image"),
        ),
        Tool("run", "Run an image for some seconds, and show what it saw.", _object(run, "image")),
        Tool(
            "replay",
            "Show what an earlier run recorded.",
            _object({"recording": recording, **_shown(limits)}, "recording"),
        ),
    )
