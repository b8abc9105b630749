"""Ground truth of MEArec (Buccino & Einevoll 2021), whose spikes are those of detailed cell models.

MEArec's and NEURON's pins are not ours, so this script runs in an environment of its own, on a machine
with a C compiler (NEURON 9 and the LFPy that asks for it do not take the models' mechanisms):

    python -m venv build/mearec
    build/mearec/bin/pip install MEArec==1.11.0 MEAutility LFPy==2.3.6 neuron==8.2.7
    PATH=$PWD/build/mearec/bin:$PATH python benchmarks/sorting_mearec.py --seeds 30 31 32

Templates are made once, in some three minutes of processor time: eight of MEArec's thirteen shipped models
of cortical cells (the small ones among the others take many times as long), each at places up to 50 µm
from one contact. They are the Blue Brain Project's, under CC BY-NC-SA 4.0: what comes of them stays in the
folder. Then electrode by electrode, which lie too far apart to share cells, MEArec draws two cells with its
own defaults, but for the filter, the noise and how near the two may lie. `sorting_kinds.py` reads the files.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import MEArec
import numpy as np

N_ELECTRODES, N_UNITS, DURATION_S, RATE_HZ, GAIN_UV = 16, 2, 60.0, 30_000, 0.25
PLACES_UM = {"xlim": [10, 50], "ylim": [-20, 20], "zlim": [-20, 20]}  # of cells from the contact
CELLS = ("TTPC1", "TTPC2", "UTPC", "STPC", "LBC", "NBC", "SBC", "MC")  # four excitatory, four inhibitory
SHARE_EXCITATORY = 0.7  # as 7 of 10 cells in MEArec's defaults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[30, 31, 32])
    parser.add_argument("--noise", nargs="+", type=float, default=[15.0, 20.0], help="SD, µV")
    parser.add_argument("--places", type=int, default=12, help="of each cell model")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    templates = make_templates(args.folder.resolve() / "mearec", args.places)
    for noise_uv in args.noise:
        for seed in args.seeds:
            file = args.folder / f"mearec-{noise_uv:g}uv-s{seed}.npz"
            if not file.exists():
                counts, samples, labels = make_recording(templates, noise_uv, seed)
                np.savez(file, counts=counts, samples=samples, labels=labels)
                print(file, flush=True)


def make_templates(folder: Path, n_places: int) -> Path:
    """Simulate the cells and their voltages at one contact, once; return the file."""
    file = folder / "templates.h5"
    if not file.exists():
        cells = folder / "cells"  # their mechanisms are compiled beside them
        if not cells.exists():
            for model in Path(MEArec.get_default_cell_models_folder()).iterdir():
                if model.name.split("_")[1:2] and model.name.split("_")[1] in CELLS:
                    shutil.copytree(model, cells / model.name)
        # A cell that is too small to reach 30 µV at so many places is given up.
        settings = {"probe": "monotrode", "ncontacts": 1, "n": n_places, "seed": 0, "max_iterations": 10}
        params = {**MEArec.get_default_templates_params(), **PLACES_UM, **settings}
        made = MEArec.gen_templates(cells, params, templates_tmp_folder=folder / "cache", parallel=False)
        MEArec.save_template_generator(made, str(file))
    return file


def make_recording(templates: Path, noise_uv: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts ``[sample, electrode]``, and the sample and unit of each spike."""
    rng = np.random.default_rng([seed, 20])
    counts, samples, labels = [], [], []
    for electrode in range(N_ELECTRODES):
        made = MEArec.gen_recordings(_params(rng, noise_uv), templates, verbose=False, tmp_mode=None)
        counts.append(np.rint(made.recordings[:, 0] / GAIN_UV).astype(np.int16))
        for unit, train in enumerate(made.spiketrains):
            at = np.rint(train.rescale("s").magnitude * RATE_HZ).astype(np.int64)
            samples.append(at)
            labels.append(np.full(len(at), N_UNITS * electrode + unit))
    return np.stack(counts, axis=1), np.concatenate(samples), np.concatenate(labels)


def _params(rng: np.random.Generator, noise_uv: float) -> dict[str, dict[str, object]]:
    """Return MEArec's defaults with the cells, noise and seeds of one electrode."""
    params = MEArec.get_default_recordings_params()
    n_excitatory = int(rng.binomial(N_UNITS, SHARE_EXCITATORY))
    params["spiketrains"] |= {
        "n_exc": n_excitatory,
        "n_inh": N_UNITS - n_excitatory,
        "duration": DURATION_S,
    }
    # Two cells cannot lie far from each other and near one contact.
    params["templates"] |= {"min_dist": 10}
    params["recordings"] |= {"fs": RATE_HZ, "noise_level": noise_uv, "filter": False}
    params["seeds"] = {
        name: int(rng.integers(1, 10_000)) for name in ("spiketrains", "templates", "convolution", "noise")
    }
    return dict(params)


if __name__ == "__main__":
    main()
