import pytest

from beepy.cli.parameters import applied, no_such_option, option, run_options
from beepy.errors import ImageNotFound, UsageError, typed
from beepy.obj.spec import CollectionSpec, Parameter
from beepy.oci.options import Options
from beepy.request import RunRequest
from tests.support.specs import spec


def refusal(request: RunRequest, *given: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        applied(request, given)
    return error.value


def with_parameters(name: str, *keys: str) -> CollectionSpec:
    parameters = tuple([Parameter(key, f"targ_{key}") for key in keys])
    return spec()._replace(name=name, parameters=parameters)


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("pids", "--pids VALUE"),
        ("pid", "--set pid=VALUE"),
        ("count", "--set count=VALUE"),
        ("username", "--set username=VALUE"),
        ("help", "--set help=VALUE"),
        ("KEY", "--KEY VALUE"),
        ("a.b-c", "--a.b-c VALUE"),
        ("1st", "--set 1st=VALUE"),
        ("two words", "--set two words=VALUE"),
        ("é", "--set é=VALUE"),
        ("a=b", "--set a=b=VALUE"),
    ],
)
def test_how_a_parameter_is_set(key: str, typed: str) -> None:
    assert option(key) == typed


def test_the_options_of_run() -> None:
    assert {"--count", "--storage", "--help", "--set"} <= set(run_options())
    assert "--KEY" not in run_options()


def test_values_go_to_the_variables() -> None:
    images = [with_parameters("one", "a", "b"), with_parameters("two", "b")]
    request = RunRequest(images=images, variables={"x": "1"})
    changed = applied(request, ["a=1=2", "b="])
    assert changed.variables == {"x": "1", "a": "1=2", "b": ""}
    assert changed.images == images


def test_unknown_parameters() -> None:
    request = RunRequest(images=[with_parameters("one", "failed\x1b", "pids"), spec()])
    error = refusal(request, "pidss=1")
    assert str(error) == "no such option: --pidss: did you mean --pids?"
    notes = [typed(note) for note in error.__notes__]
    assert notes == [r"parameters of one: --failed\x1b, --pids", "beepy run --help"]
    error = no_such_option("x\x1b" * 3)
    assert str(error) == r"no such option: --x\x1bx\x1bx\x1b"
    assert [typed(note) for note in error.__notes__] == ["beepy run --help"]
    many = with_parameters("many", *[f"key{number}" for number in range(100)])
    (listed, _) = no_such_option("zzzz", [many]).__notes__
    assert listed.endswith("--key11, ...")


def test_an_image_that_is_not_found() -> None:
    """Its name or the option is wrong: both are said."""
    request = RunRequest(images=["nowhere"], options=Options(pull="never"))
    error = refusal(request, "zzzz=1")
    assert str(error).startswith("no such option: --zzzz: no image 'nowhere': ")
    error = refusal(request, "fliter=1")
    assert str(error) == "no such option: --fliter: did you mean --filter?"
    assert isinstance(error.__context__, ImageNotFound)


def test_a_key_without_value() -> None:
    request = RunRequest(images=[with_parameters("one", "a")])
    assert str(refusal(request, "a")) == "--a: expected a value"
    error = refusal(request, "a=1", "a=2")
    assert str(error) == "--a: a second value for 'a'"
