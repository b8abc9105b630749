"""Changes of light from the photodiode's trace."""

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events import photodiode
from evoalign.events.align_session import find_photodiode
from evoalign.events.photodiode import photodiode_crossings
from evoalign.events.settings import Events
from evoalign.recordings.recording import Recording
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, SEGMENTS, WORDS
from evoalign.simulate.flashes import photodiode_stream


def flashes(n=100, seed=0):
    rng = np.random.default_rng(seed)
    on = 0.5 + np.arange(n) * 0.2 + rng.uniform(0, 0.05, n)
    return on, on + rng.uniform(0.05, 0.1, n)


@pytest.mark.parametrize("rate", [1000.0, 2000.0, 30_000.0])
@pytest.mark.parametrize("rise_s", [0.2e-3, 1e-3, 3e-3])
def test_the_foot_of_each_edge_is_found(rate, rise_s):
    on, off = flashes()
    found = photodiode_crossings(photodiode_stream(on, off, 21.0, rate, rise_s=rise_s), 129)
    assert len(found.on_s) == len(found.off_s) == len(on)
    # Of an edge that is shorter than a sample, no more is to be had than between which two it lies.
    limit = max(0.25e-3, 0.5 / rate if rise_s >= 1 / rate else 0.55 / rate)
    assert np.percentile(np.abs(found.on_s - on), 99) < limit
    assert np.percentile(np.abs(found.off_s - off), 99) < limit
    assert abs(np.median(found.on_s - on)) < 0.2e-3


def test_noise_makes_no_crossings_of_its_own():
    on, off = flashes()
    stream = photodiode_stream(on, off, 21.0, 10_000.0, rise_s=4e-3, noise=800.0)
    found = photodiode_crossings(stream, 129)
    assert len(found.on_s) == len(on)
    assert np.percentile(np.abs(found.on_s - on), 99) < 2e-3


def test_chunks_and_segments_do_not_matter(monkeypatch):
    on, off = flashes(40)
    whole = photodiode_stream(on, off, 9.0, 5000.0)
    expected = photodiode_crossings(whole, 129)
    monkeypatch.setattr(photodiode, "CHUNK", 777)
    found = photodiode_crossings(whole, 129)
    np.testing.assert_allclose(found.on_s, expected.on_s, atol=2e-5)
    np.testing.assert_allclose(found.off_s, expected.off_s, atol=2e-5)
    # Cut in the dark into two segments, the second on a later clock.
    cut = int(5000 * (off[19] + on[20]) / 2)
    parts = Stream(
        name="analog",
        sampling_rate_hz=5000.0,
        channels=(129,),
        gain_uv=np.ones(1),
        offset_uv=np.zeros(1),
        segments=((0.0, cut), (cut / 5000 + 100, whole.n_samples - cut)),
        reader=lambda s, a, b, c: whole.reader(0, a + s * cut, b + s * cut, c),
    )
    found = photodiode_crossings(parts, 129)
    assert (found.on_segment == np.repeat([0, 1], 20)).all()
    np.testing.assert_allclose(found.on_s, expected.on_s + 100 * found.on_segment, atol=1e-4)


def test_memory_is_bounded_by_the_chunk(monkeypatch):
    on, off = flashes(5)
    stream = photodiode_stream(on, off, 60.0, 30_000.0)
    largest = 0
    read = stream.reader

    def watched(segment, start, stop, columns):
        nonlocal largest
        largest = max(largest, stop - start)
        return read(segment, start, stop, columns)

    object.__setattr__(stream, "reader", watched)
    monkeypatch.setattr(photodiode, "CHUNK", 2**16)
    photodiode_crossings(stream, 129)
    assert largest == 2**16


def test_a_scanning_screens_refresh_is_bridged():
    start, stop = flashes(20)
    pulses = [np.arange(a, b, 1 / 75) for a, b in zip(start, stop, strict=True)]
    on = np.concatenate(pulses)
    stream = photodiode_stream(on, on + 3e-3, 6.0, 30_000.0, rise_s=0.2e-3)
    assert len(photodiode_crossings(stream, 129).on_s) == len(on)
    found = photodiode_crossings(stream, 129, bridge_ms=20)
    np.testing.assert_allclose(found.on_s, start, atol=1e-4)
    np.testing.assert_allclose(found.off_s, [p[-1] + 3e-3 for p in pulses], atol=1e-4)


@pytest.mark.parametrize(
    ("light", "noise", "text"), [(800.0, 0.0, "never changes"), (800.0, 60.0, "no two levels")]
)
def test_a_channel_without_flashes_is_an_input_error(light, noise, text):
    on, off = flashes(5)
    with pytest.raises(InputError, match=text):
        photodiode_crossings(photodiode_stream(on, off, 2.0, 1000.0, light=light, noise=noise), 129)


def test_the_channel_is_found_by_name_or_number():
    on, off = flashes(10)
    stream = photodiode_stream(on, off, 3.0, 1000.0)
    channels = pd.DataFrame(
        [(1, "chan1", "neural", "", 30_000.0, 0.25), (129, "ainp1", "analog", "analog", 1000.0, 1.0)],
        columns=["channel", "name", "kind", "stream", "sampling_rate_hz", "gain_uv"],
    ).assign(array="", connector="", area="", x_um=np.nan, y_um=np.nan)
    recording = Recording(
        "blackrock",
        (),
        None,
        tables.conform(channels, CHANNELS),
        tables.empty(SEGMENTS),
        tables.empty(WORDS),
        tables.empty(ONLINE_SPIKES),
        {"analog": stream},
    )
    by_name, by_number = (find_photodiode(recording, name, Events()) for name in ("ainp1", "129"))
    np.testing.assert_array_equal(by_name.on_s, by_number.on_s)
    assert find_photodiode(recording, "", Events()) is None
    with pytest.raises(InputError, match=r"no channel 'ainp2'.*ainp1 \(129\)"):
        find_photodiode(recording, "ainp2", Events())
    with pytest.raises(InputError, match="channel 7 is not in stream 'analog'"):
        photodiode_crossings(stream, 7)
