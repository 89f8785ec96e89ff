"""TABLE: the keys of the screen. Bindings, the line at the bottom and ``?`` come from it."""

from typing import Final, NamedTuple


class Key(NamedTuple):
    """Keys as textual names them, what they do, and how they are shown.

    ``action`` is a method of the app, ``brief`` its word on the line at the bottom ("": not
    there), where those of the lowest ``rank`` have room first. A row without keys is a heading.
    """

    keys: str
    action: str
    shown: str
    text: str
    brief: str = ""
    rank: int = 0


TABLE: Final = (
    Key("", "", "", "Look"),
    Key("space", "pause", "Space", "pause, and go on", "pause", 2),
    Key("up,k", "move(-1)", "↑ ↓", "another row; going up pauses"),
    Key("down,j", "move(1)", "", ""),
    Key("left,h", "column(-1)", "← →", "another column"),
    Key("right,l", "column(1)", "", ""),
    Key("pageup,ctrl+b", "page(-1)", "PgUp PgDn", "a screenful up or down"),
    Key("pagedown,ctrl+f", "page(1)", "", ""),
    Key("home,g", "first", "Home g", "the oldest row that is kept"),
    Key("end,G", "last", "End G", "the newest row, and follow"),
    Key("enter", "open", "Enter", "all of a row: nested, meanings, raw bytes", "row", 4),
    Key("tab,ctrl+n", "table(1)", "Tab Ctrl-N", "the next map or image", "next map", 12),
    Key("shift+tab,ctrl+p", "table(-1)", "Ctrl-P", "the one before"),
    Key("left_square_bracket", "time(-1)", "[ ]", "in a recording, earlier or later"),
    Key("right_square_bracket", "time(1)", "", ""),
    Key("", "", "", "Find"),
    Key("f", "filter", "f", "show only rows for which an expression is true", "filter", 3),
    Key("slash", "search", "/", "search a text", "search", 5),
    Key("n", "find(1)", "n N", "the next place, the one before"),
    Key("N", "find(-1)", "", ""),
    Key("t", "top", "t", "top values of the column; of stacks, their tree", "top", 7),
    Key("escape", "clear", "Esc", "end the search, then the filter, then the pause"),
    Key("", "", "", "Arrange"),
    Key("s", "sort", "s", "sort by the column; again: the other way, not at all", "sort", 6),
    Key("x", "hide", "x", "hide the column"),
    Key("less_than_sign", "shift(-1)", "< >", "move the column"),
    Key("greater_than_sign", "shift(1)", "", ""),
    Key("c", "columns", "c", "choose the columns", "columns", 10),
    Key("z", "zoom", "z", "this map alone, and all again"),
    Key("", "", "", "Keep"),
    Key("y", "copy_row", "y", "copy the row as JSON (OSC 52)", "copy", 11),
    Key("w", "write", "w", "write the rows here to a file", "write", 9),
    Key("r", "record", "r", "record all that comes; again: stop", "record", 8),
    Key("", "", "", "End"),
    Key("question_mark", "keys", "?", "these keys", "help", 1),
    Key("ctrl+z", "suspend_process", "Ctrl-Z", "to the shell; fg comes back"),
    Key("q", "leave", "q Ctrl-C", "leave", "quit"),
)

ACTIONS: Final = frozenset([row.action.partition("(")[0] for row in TABLE])
ALWAYS: Final = frozenset(("suspend_process", "copy_row"))  # beside dialogs and the prompt too
