import pytest

from beepy import sections
from beepy.collection import attachpoint
from beepy.errors import AttachError
from beepy.hooks import Target
from beepy.obj.spec import ProgramSpec


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1/", "/x", "-1/x", "4294967297/x", "9" * 5000 + "/x", "\u0661/x"]
)
def test_what_is_no_program_to_replace_a_function_of(text: str) -> None:
    hook = sections.find("freplace")
    assert hook
    with pytest.raises(
        AttachError, match=r"^program 'p': section 'freplace': expected ID/FUNCTION"
    ):
        attachpoint.find(ProgramSpec("p", "freplace", (), (), (), (), (), ()), hook, Target(text))
