"""What the tools do: each returns JSON (see ``results``), or raises BeepyError."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from beepy import inspection
from beepy.chosen import Chosen
from beepy.errors import BeepyError, RecordingError, UsageError
from beepy.events.arrangement import Arrangement
from beepy.events.top import Wanted
from beepy.hooks.target import Target
from beepy.launch import Launched, launch, replay
from beepy.mcp.results import fitting, rows_of, with_counts
from beepy.mcp.schemas import Limits, tools
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.manifest import DESCRIPTION
from beepy.oci.option_checks import checked
from beepy.oci.options import Options
from beepy.outputs.summary import Summary
from beepy.request import RunRequest
from beepy.selecting import Subjects
from beepy.session import Run
from beepy.text import brief, safe

_DEFAULT_COUNT: Final = 1000  # rows, where rows are asked for
_MAX_LISTED: Final = 200  # images, and recordings
_MAX_MESSAGE: Final = 500


class Permissions(NamedTuple):
    """What calls may use: ``allowed`` images besides those that change nothing.

    ``recordings`` is the directory of the recordings, None for none. Nothing is pulled.
    """

    options: Options
    limits: Limits
    allowed: tuple[str, ...] = ()
    recordings: Path | None = None


class Tools:
    """The tools of one server; ``close`` ends what is still running."""

    def __init__(self, permissions: Permissions) -> None:
        self._options = permissions.options._replace(pull="never")
        self._allowed = permissions.allowed
        self._limits = permissions.limits
        self._recordings = permissions.recordings
        self.descriptions = tools(permissions.limits)
        self._functions: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
            "list": self._list,
            "describe": self._describe,
            "run": self._run,
            "replay": self._replay,
        }
        self._changes: dict[str, tuple[str, ...]] = {}  # by digest
        self._running: dict[int, Run] = {}  # by the number of the call
        self._stopped: set[int] = set()  # calls
        self._numbers = threading.local()  # of the call that a thread is at
        self._is_closed = False
        # a signal handler may interrupt the thread that holds it
        self._changed = threading.Condition(threading.RLock())

    @property
    def may_change(self) -> bool:
        """Whether there are images that may change something."""
        return bool(self._allowed)

    def call(self, name: str, arguments: Mapping[str, Any], number: int = 0) -> str:
        """Return the result of a tool. Raises BeepyError; may be called from several threads.

        ``number`` is that of the call, for ``stop``.
        """
        description = next((tool for tool in self.descriptions if tool.name == name), None)
        if description is None:
            known = ", ".join(self._functions)
            raise UsageError(f"tool '{safe(name[:64])}': expected one of {known}")
        wrong = best_match(Draft202012Validator(description.arguments).iter_errors(arguments))
        if wrong:
            where = ".".join(map(str, wrong.absolute_path)) or "arguments"
            raise UsageError(f"{name}: {safe(where)}: {brief(safe(wrong.message), _MAX_MESSAGE)}")
        self._numbers.number = number
        return self._functions[name](_whole(arguments))

    def stop(self, number: int) -> None:
        """End the run of a call, or refuse it if it has not begun."""
        with self._changed:
            self._stopped.add(number)
            if run := self._running.get(number):
                run.stop()

    def close(self) -> None:
        """Stop all runs, and wait until everything is detached; later runs are refused."""
        with self._changed:
            self._is_closed = True
            for run in self._running.values():
                run.stop()
            self._changed.wait_for(lambda: not self._running)

    def _list(self, _arguments: Mapping[str, Any]) -> str:
        images, cut = [], False
        entries = lookup.list_images(self._options)
        names = [(entry.name, entry.description) for entry, _ in entries]
        names += [(name, None) for name in self._allowed if name not in dict(names)]
        for name, description in names[:_MAX_LISTED]:
            try:
                image = self._image(name)
                changes: tuple[str, ...] | None = self._changes_of(image)
                reason = "" if name in self._allowed or not changes else "it can change more"
            except BeepyError as error:
                changes, reason = None, brief(str(error), _MAX_MESSAGE)
            described = {"name": name, "description": brief(safe(description or ""), 200)}
            images.append({**described, "changes": changes, "runs": not reason, "reason": reason})
        recordings = self._recording_names()
        cut = len(names) > _MAX_LISTED or len(recordings) > _MAX_LISTED
        listed = {"images": images, "recordings": recordings[:_MAX_LISTED], "cut": cut}
        return fitting(listed, ("recordings", "images"))

    def _describe(self, arguments: Mapping[str, Any]) -> str:
        image = self._image(arguments["image"])
        document = inspection.json_schema(image)
        document["description"] = brief(image.annotations.get(DESCRIPTION, ""), 500)
        return fitting(document, ("parameters", "$defs", "anyOf", "changes"))

    def _run(self, arguments: Mapping[str, Any]) -> str:
        name = arguments["image"]
        image = self._image(name)
        timeout = arguments.get("timeout", self._limits.usual_seconds)
        texts = ("comm", "container", "pod", "unit")
        chosen = {f"{key}s": tuple(arguments.get(key, ())) for key in ("pid", "uid", *texts)}
        subjects = Subjects(**chosen)
        request = RunRequest(
            images=[image],
            options=self._options,
            variables=arguments.get("set", {}),
            wheres=_listed(arguments, "where"),
            arrangement=_arrangement(arguments),
            common=Target(iface=arguments.get("iface", "")),
            subjects=subjects if any(subjects) else None,
            interval=None,  # tables are read at the end
            timeout=timeout,
            limit=self._limit(arguments),
            read_only=name not in self._allowed,
        )
        return self._shown(lambda: launch(request), arguments)

    def _replay(self, arguments: Mapping[str, Any]) -> str:
        path = self._recording(arguments["recording"])
        chosen = Chosen((), _listed(arguments, "where"))
        limit = self._limit(arguments)
        arrangement = _arrangement(arguments)
        timers: list[threading.Timer] = []

        def start() -> Launched:
            launched = replay(str(path), chosen, arrangement=arrangement, limit=limit)
            timers.append(threading.Timer(self._limits.seconds, launched.run.stop))
            timers[0].start()
            return launched

        try:
            shown = self._shown(start, arguments)
        finally:
            for timer in timers:
                is_late = timer.finished.is_set()
                timer.cancel()
        if is_late:
            longest = f"{self._limits.seconds:g} s"
            raise UsageError(f"replay: takes more than {longest}: choose fewer rows by `count`")
        return shown

    def _limit(self, arguments: Mapping[str, Any]) -> int | None:
        """Return after how many rows a run ends; None for no limit."""
        if "count" in arguments:
            return int(arguments["count"])
        are_rows = _asks_for_rows(arguments) and "top" not in arguments
        return min(_DEFAULT_COUNT, self._limits.rows) if are_rows else None

    def _shown(self, start: Callable[[], Launched], arguments: Mapping[str, Any]) -> str:
        """Start a run, which can be stopped then, and return what it shows."""
        wanted = _wanted(arguments)
        launched = start()
        with launched.run as run:
            with self._changed:
                number = self._numbers.number
                if self._is_closed or number in self._stopped:
                    raise UsageError("the call was canceled")
                self._running[number] = run
            try:
                is_list = wanted or _asks_for_rows(arguments)
                return _rows(run, wanted) if is_list else _summary(launched)
            finally:
                run.close()
                with self._changed:
                    self._running.pop(number, None)
                    self._changed.notify_all()

    def _image(self, name: str) -> Image:
        """Return a stored or bundled image, or one that is allowed; files are not looked up."""
        if name in self._allowed:
            return lookup.find(name, self._options)
        if name.startswith((".", "/")):
            raise UsageError(f"image '{safe(name[:200])}': files are not allowed")
        store, _, descriptor = lookup.find_stored(name, self._options)
        return store.load(name, descriptor, checked(self._options).policy)

    def _changes_of(self, image: Image) -> tuple[str, ...]:
        changes = self._changes.get(image.digest)
        if changes is None:
            found = {c for described in inspection.inspect(image) for c in described.changes}
            changes = self._changes[image.digest] = tuple(sorted(found))
        return changes

    def _recording_names(self) -> list[str]:
        if self._recordings is None:
            return []
        try:
            paths = sorted(self._recordings.iterdir())
        except OSError as error:
            raise RecordingError(f"recordings: {error.strerror}") from None
        return [path.name for path in paths if _is_recording(path)]

    def _recording(self, name: str) -> Path:
        if self._recordings is None:
            raise UsageError("replay: this server has no recordings")
        path = self._recordings / name
        if name.startswith(".") or "/" in name or "\0" in name or not _is_recording(path):
            raise UsageError(f"recording '{safe(name[:200])}': not found: `list` has their names")
        return path


def _rows(run: Run, wanted: Wanted | None) -> str:
    """Return the rows of a run, or its largest groups."""
    started = time.monotonic()
    rows, is_cut = rows_of(run, wanted)
    run.close()  # the last losses are known after it
    return with_counts(rows, run.stats, time.monotonic() - started, is_cut=is_cut)


def _summary(launched: Launched) -> str:
    """Return the summary of a run."""
    summary, run = Summary(), launched.run
    started = time.monotonic()
    run.add_sink(summary)
    for _ in run.batches():
        pass
    run.close()  # the last losses are known after it
    return summary.text(launched.image_names, run.stats, time.monotonic() - started)


def _whole(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with integers in the place of numbers such as 1.0, which are the same there."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_whole, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_recording(path: Path) -> bool:
    """Return whether a path is a file of its directory itself: a link may lead elsewhere."""
    try:
        return not path.name.startswith(".") and not path.is_symlink() and path.is_file()
    except OSError:  # a name that is too long
        return False


def _asks_for_rows(arguments: Mapping[str, Any]) -> bool:
    return arguments.get("show") == "rows"


def _listed(arguments: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return (arguments[name],) if arguments.get(name) else ()


def _arrangement(arguments: Mapping[str, Any]) -> Arrangement | None:
    fields = _listed(arguments, "fields")
    return Arrangement(fields, (), None) if fields else None


def _wanted(arguments: Mapping[str, Any]) -> Wanted | None:
    """Return which groups are asked for. Raises UsageError."""
    if "top" not in arguments and not (arguments.get("by") or arguments.get("sum")):
        return None
    if "top" not in arguments or not arguments.get("by"):
        raise UsageError("top, by: expected both")
    if arguments.get("fields"):
        raise UsageError("fields: groups have those of `by`")
    return Wanted(arguments["top"], arguments["by"], total=arguments.get("sum", ""))
