import pytest

from beepy.events import schemas
from beepy.events.decoder import Decoder
from beepy.oci.lookup import bundled_store
from beepy.outputs.columns.histograms import HistogramFields, HistogramsPanel, unit_of
from beepy.source import parse


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("lat_us", "hist_lat"), "usecs"),
        (("le", "hist_lat_ns"), "nsecs"),
        (("le", "msecs", "hist_lat"), "msecs"),
        (("size", "hist_io"), "bytes"),
        (("le", "hist_delays"), "value"),
        (("us", "hist_x"), "usecs"),
        (("depth", "hist_x"), "depth"),
    ],
)
def test_the_unit_is_that_in_a_name(names: tuple[str, ...], expected: str) -> None:
    assert unit_of(*names) == expected


@pytest.mark.parametrize("name", ["runqlat", "biolatency"])
def test_bundled_histograms_have_a_unit(name: str) -> None:
    spec = parse(bundled_store().get(name))
    schema = schemas.of_tracked(spec, spec.tracked[0])
    decoder = Decoder(schema)
    (value,) = [field for field in decoder.fields if field.name == "le"]
    assert HistogramsPanel(decoder, HistogramFields(value))._unit == "usecs"
    value = value._replace(codec=value.codec._replace(unit_ns=1))
    assert HistogramsPanel(decoder, HistogramFields(value))._unit == "nsecs"
