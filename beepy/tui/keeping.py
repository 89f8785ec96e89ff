"""Files that keys make: the rows here, and recordings. Each method returns what it did, to show."""

from collections.abc import Mapping

from beepy.text import safe
from beepy.tui.copies import write
from beepy.tui.maps import MapWidget
from beepy.tui.recording import Recording
from beepy.tui.table import Table


class Keeping:
    """Writes files for the user; ``recording`` is None where there is nothing to record."""

    def __init__(self, recording: Recording | None) -> None:
        self._recording = recording

    @property
    def recorded_to(self) -> str:
        """The file that rows are recorded to now, "" for none."""
        return self._recording.path if self._recording and self._recording.is_on else ""

    @property
    def can_record(self) -> bool:
        """Whether this is a run, and no recording."""
        return self._recording is not None

    @property
    def words(self) -> Mapping[str, str]:
        """What keys do now, where it is not what they usually do: for the line at the bottom."""
        if not self.can_record:
            return {"record": ""}
        return {"record": "stop"} if self.recorded_to else {}

    def write(self, path: str, table: Table) -> str:
        """Write the rows of a table to a new file. Raise OutputError."""
        return f"{write(path, table.rows):,} rows written to {safe(path)}"

    def record(self, path: str) -> str:
        """Begin a recording. Raise OutputError."""
        assert self._recording, "asked for only then"
        self._recording.start(path)
        return f"recording to {safe(path)}: r stops"

    def stop(self) -> str:
        """End the recording. Raise OutputError."""
        assert self._recording, "one is on"
        self._recording.stop()
        return self._recording.done[-1]

    def failure(self) -> str:
        """Return why the recording ended by itself since the last call, "" if it did not."""
        if not self._recording:
            return ""
        error, self._recording.error = self._recording.error, ""
        return error


def file_name(widget: MapWidget, ending: str) -> str:
    """Return a name for a file: the image's, without what paths cannot have."""
    name = safe(widget.model.schema.image).rpartition("/")[2].partition(":")[0]
    plain = "".join([char if char.isalnum() or char in "-_." else "-" for char in name])
    return f"{plain or 'rows'}.{ending}"
