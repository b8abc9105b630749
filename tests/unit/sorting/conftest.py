"""Fixtures of the sorting tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spikeinterface.postprocessing.template_similarity as similarity
from planted_spikes import GAIN, RATE, make_channels, make_truth

from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.sorting.export import write_analyzer, write_phy
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort
from evoalign.sorting.tables import ARTEFACTS


@pytest.fixture(scope="session")
def truth() -> tuple[np.ndarray, list[np.ndarray]]:
    return make_truth()


@pytest.fixture(scope="session")
def recorded(truth, tmp_path_factory):
    """A file with a pause of a second after six: recording, channels, what is sorted."""
    file = tmp_path_factory.mktemp("recorded") / "a.ns6"
    half = len(truth[0]) // 2
    write_nsx(file, [truth[0]], channel_ids=[1, 2, 3, 4], gain_uv=GAIN, pauses=[(half, round(RATE))])
    recording = open_recording([file])
    channels = make_channels(4, "A")
    return (
        recording,
        channels,
        sort(stream_recording(recording.streams["broadband"]), channels, Sorting(), 0),
    )


@pytest.fixture(scope="session")
def exported(recorded, tmp_path_factory) -> Path:
    """Folder with the SortingAnalyzer and phy's files of the same."""
    recording, channels, found = recorded
    folder = tmp_path_factory.mktemp("exported")
    artefacts = pd.DataFrame([("common", "A", -1, 3.0, 3.25)], columns=ARTEFACTS.names)
    names = ("units", "spikes", "bad_channels")
    given = {name: getattr(found, name) for name in names} | {"channels": channels, "artefacts": artefacts}
    with pytest.MonkeyPatch.context() as patch:
        # To compile the other version takes 13 s.
        patch.setattr(similarity, "_compute_similarity_matrix", similarity._compute_similarity_matrix_numpy)
        write_analyzer(recording, given, Sorting(), 0, folder / "analyzer")
    write_phy(folder / "analyzer", folder / "phy")
    return folder
