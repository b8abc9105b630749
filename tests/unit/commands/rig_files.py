"""A recording with its log, as a rig would write them: small, and true to each other."""

import numpy as np
import pandas as pd

from evoalign.formats.blackrock.write import write_nev, write_nsx

RATE_HZ, SECONDS, N_IMAGES = 30_000, 24, 60


def schedule(seed=0):
    """Onsets on the log's clock, irregular as screens are."""
    return 1 + np.cumsum(np.random.default_rng(seed).uniform(0.25, 0.45, N_IMAGES))


def write_log(path, onsets, value=101):
    rows = [
        f"{i}\t{i // 4 + 1}\tblock00{i // 20 + 1}_thread00{i % 2}_gen_{i}\t{value + i % 4}\t{201 + i % 4}"
        f"\t{on:.4f}\t{on + 0.1:.4f}"
        for i, on in enumerate(onsets)
    ]
    header = ["presentation", "trial", "image", "onset_word", "offset_word", "onset_s", "offset_s"]
    path.write_text("\n".join(["\t".join(header), *rows]) + "\n")


def write_rig(stem, onsets, offset_s=0.5):
    on = pd.DataFrame({"time_s": onsets + offset_s, "word": 101 + np.arange(len(onsets)) % 4})
    words = pd.concat([on, on.assign(time_s=on["time_s"] + 0.1, word=on["word"] + 100)]).sort_values("time_s")
    spikes = pd.DataFrame({"channel": 2, "unit": 1, "time_s": np.arange(0.5, SECONDS - 1, 0.05)})
    write_nev(stem.with_suffix(".nev"), channels=[1, 2], spikes=spikes, words=words.assign(source="digital"))
    noise = np.random.default_rng(0).integers(-99, 99, (RATE_HZ, 2)).astype(np.int16)
    write_nsx(stem.with_suffix(".ns6"), [noise] * SECONDS, channel_ids=[1, 2])
