import pytest

from beepy.outputs.columns.layout import Column, Rank, fit, rank_of

TIME = Column("time", right=False, wanted=8, rank=Rank.KEPT)
PID = Column("pid", right=True, wanted=7, rank=Rank.KEPT)
TID = Column("tid", right=True, wanted=7, rank=Rank.REPEATED)
SIG = Column("sig", right=True, wanted=3, rank=Rank.EMPTY)
START = Column("start_time", right=True, wanted=12, rank=Rank.TIME)
UID = Column("uid", right=True, wanted=5, rank=Rank.OWNER)
SIZE = Column("size", right=True, wanted=6, rank=Rank.NUMBER)
MORE = Column("more", right=True, wanted=6, rank=Rank.NUMBER)
KIND = Column("kind", right=False, wanted=10, rank=Rank.TEXT)
FILE = Column("file", right=False, wanted=100, rank=Rank.TEXT)

ALL = (TIME, START, PID, TID, SIG, UID, SIZE, MORE, KIND, FILE)


def test_columns_that_fit_are_as_wide_as_wanted() -> None:
    assert fit((TIME, PID), 16) == ((0, 1), (8, 7), ())
    assert fit(ALL, None) == (tuple(range(len(ALL))), tuple(column.wanted for column in ALL), ())


@pytest.mark.parametrize(
    ("width", "hidden"),
    [
        (105, ()),
        (104, ("tid",)),
        (96, ("tid", "sig")),
        (92, ("start_time", "tid", "sig")),
        (79, ("start_time", "tid", "sig", "uid")),
        (73, ("start_time", "tid", "sig", "uid", "more")),
        (66, ("start_time", "tid", "sig", "uid", "size", "more")),
        (59, ("start_time", "tid", "sig", "uid", "size", "more", "kind")),
        (51, ("start_time", "tid", "sig", "uid", "size", "more", "kind")),
        (38, ("start_time", "tid", "sig", "uid", "size", "more", "kind")),
    ],
)
def test_the_lowest_rank_is_hidden_first(width: int, hidden: tuple[str, ...]) -> None:
    assert fit(ALL, width).hidden == hidden


def test_a_column_that_fits_once_a_wider_one_is_hidden_is_shown() -> None:
    short = (*ALL[:-1], FILE._replace(wanted=20))
    assert fit(short, 80).hidden == ("start_time",)
    assert fit(short, 67).hidden == ("start_time", "tid", "uid")


def test_a_layout_fits_unless_no_more_columns_can_be_hidden() -> None:
    min_width = 8 + 1 + 7 + 1 + 8  # time, pid and the last text
    for width in range(1, 200):
        layout = fit(ALL, width)
        assert sum(layout.widths) + len(layout.widths) - 1 <= max(width, min_width)
        assert set(layout.hidden).isdisjoint({"time", "pid", "file"})


def test_the_last_text_gets_the_rest_of_the_line() -> None:
    assert fit((TIME, PID, FILE), 80) == ((0, 1, 2), (8, 7, 63), ())
    assert fit((TIME, FILE, PID), 80) == ((0, 1, 2), (8, 63, 7), ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pid", Rank.KEPT),
        ("uid", Rank.OWNER),
        ("task.cred.euid", Rank.OWNER),
        ("cgroup_id", Rank.OWNER),
        ("netns", Rank.OWNER),
        ("bytes", Rank.NUMBER),
        ("target_uid", Rank.OWNER),
        ("guid_count", Rank.NUMBER),
        ("retrans", Rank.NUMBER),
        ("connections", Rank.NUMBER),
    ],
)
def test_a_number_is_ranked_by_its_name(name: str, expected: Rank) -> None:
    assert rank_of(name, right=True, time=False) is expected


def test_other_ranks() -> None:
    assert rank_of("args_size", {"args"}, right=True, time=False) is Rank.OWNER
    assert rank_of("args_size", {"comm"}, right=True, time=False) is Rank.NUMBER
    assert rank_of("fname", right=False, time=False) is Rank.TEXT
    assert rank_of("comm", right=False, time=False) is Rank.KEPT
    assert rank_of("pid", right=True, time=True) is Rank.TIME
