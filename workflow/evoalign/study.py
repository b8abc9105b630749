"""The study: configuration and sample sheet as typed objects.

One pydantic model a section of ``config/config.yaml``; the JSON schemas in
``workflow/schemas`` are exported from these models. Field descriptions are the
one-line reasons; a unit stands at the end of a key's name (``_ms``, ``_uv``).
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from rapidfuzz import process

from evoalign import storage
from evoalign.errors import InputError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # else mypy would take any name for a setting

        def __getattr__(self, name):
            if name in type(self).model_fields:
                raise AttributeError(f"{type(self).__name__}.{name} is not listed by the job's rule")
            return super().__getattr__(name)


def _knob(default: Any, reason: str, **bounds: Any) -> Any:
    return Field(default, description=reason, **bounds)


UnitKind = Literal["sorted", "multiunit", "online", "envelope"]
SubjectField = Literal["sex", "age", "species", "description", "weight", "strain"]


class Recordings(_Section):
    """Raw files -> samples, words and online spikes at their true times."""

    gap_tolerance_ms: float = _knob(
        1.0, "time stamps no further off the samples before them are jitter; beyond is a gap", ge=0, le=20
    )


class Events(_Section):
    """Event words, photodiode and clocks -> presentations."""

    onset_words: tuple[int, int] = _knob((101, 199), "first and last word that can mean image-on")
    offset_words: tuple[int, int] = _knob((201, 299), "first and last word that can mean image-off")
    fixation_word: int = _knob(5, "image words count only after this word of the trial; -1: always")
    trial_start_word: int = _knob(9, "word that starts a trial (sent three times)")
    trial_end_word: int = _knob(18, "word that ends a trial (sent three to four times)")
    display_delay_ms: float = _knob(
        0.0, "word to light on the screen, used where no photodiode is", ge=0, le=200
    )
    photodiode_max_delay_ms: float = _knob(
        50.0, "a photodiode crossing later than this after its word is not its own", gt=1, le=500
    )
    min_matched: float = _knob(
        0.9, "refuse a session when a smaller share of presentations matches", ge=0, le=1
    )
    max_residual_ms: float = _knob(
        10.0,
        "refuse a session when the 99th percentile of the clock fit's residual is larger",
        gt=0.001,
        le=1000,
    )
    image_pattern: str = _knob(
        "", "regular expression with groups block, thread, index; '' = the study's own names"
    )
    image_field: str = _knob(
        "", "MonkeyLogic field of a trial that names its images, as UserVars.imageName; '' = look for it"
    )
    header_words: tuple[int, ...] = _knob(
        (201, 202), "words of a trial's head that a number follows (block, trial): it is no word itself"
    )
    word_mask: int = _knob(
        65_535, "bits of the digital input that carry the word: 255 when the upper byte is wired high", ge=1
    )
    max_drift_ppm: float = _knob(
        500.0, "two clocks that differ by more in rate are not those of one session", gt=0, le=5000
    )
    photodiode_min_delay_ms: float = _knob(
        -5.0, "a crossing may come this long before its word, which is sent after the flip", ge=-100, le=0
    )
    photodiode_bridge_ms: float = _knob(
        0.0, "dark gaps up to this length are the screen's refresh, not an offset (CRT: 20)", ge=0, le=200
    )
    recorded_ms: float = _knob(250.0, "recording must go on for this long after image onset", ge=0, le=5000)


class Sorting(_Section):
    """Voltages -> units."""

    sorter: str = _knob(
        "electrode", "'electrode' (ours, for single electrodes) or the name of a SpikeInterface sorter"
    )
    sorter_params: dict[str, Any] = _knob({}, "passed to the SpikeInterface sorter")
    per_electrode: bool = _knob(True, "run a SpikeInterface sorter on each electrode by itself")
    highpass_hz: float = _knob(300.0, "lower edge of the spike band", ge=1, le=3000)
    lowpass_hz: float = _knob(6000.0, "upper edge of the spike band", ge=1000, le=20_000)
    reference: Literal["none", "array", "connector"] = _knob(
        "array", "median reference over this group of electrodes"
    )
    detect_threshold: float = _knob(4.5, "detection threshold in noise SDs (1.4826 MAD)", ge=2, le=20)
    multiunit: bool = _knob(True, "also write each electrode's threshold crossings as a multi-unit")
    online: bool = _knob(True, "also carry the units that were sorted online")
    min_unsorted_spikes: int = _knob(
        10, "the rig's unit 0, what it left unsorted, is carried above this many spikes", ge=0
    )
    refractory_ms: float = _knob(1.0, "refractory period for ISI violations and merges", ge=0.1, le=10)
    good_snr: float = _knob(3.0, "a unit below is labelled 'mua'", ge=0)
    good_isi_violations: float = _knob(0.5, "a unit above is labelled 'mua'", ge=0)
    good_presence: float = _knob(0.8, "a unit below is labelled 'mua'", ge=0, le=1)
    reference_min_channels: int = _knob(
        8, "a median over fewer good electrodes would carry their spikes into the others", ge=2, le=256
    )
    noise_snr: float = _knob(1.5, "a unit below is labelled 'noise'", ge=0)
    min_spikes: int = _knob(30, "fewer spikes on an electrode are no unit of its own", ge=5, le=10_000)
    min_size: float = _knob(
        1.3, "a unit's median trough is larger than this times the threshold; below is background", ge=1, le=5
    )
    match_gain: float = _knob(
        30.0, "a matched spike explains at least this much of the whitened trace, in noise variances", ge=5
    )
    bad_saturated: float = _knob(
        0.01, "an electrode with a larger share of samples at its extremes is saturated", gt=0, le=1
    )
    bad_line_noise: float = _knob(
        0.5, "an electrode with a larger share of power at 50/60 Hz and harmonics is left out", gt=0, le=1
    )
    bad_noise_ratio: float = _knob(
        4.0, "noise this many times above or below the median electrode's means noise or no contact", gt=1
    )
    bad_duplicate: float = _knob(
        0.98, "an electrode with a higher correlation with one before it repeats that one", gt=0.5, le=1
    )
    preferred_min_agreement: float = _knob(
        0.5, "below this agreement with the online unit, the channel's multi-unit is preferred", ge=0, le=1
    )
    leave_out_bad: bool = _knob(
        True, "leave bad electrodes out; false: only flat ones, which cannot be sorted"
    )
    blank_artefacts: bool = _knob(
        True, "blank what hits most electrodes of an array at once: stimulation, chewing, movement"
    )
    artefact_threshold: float = _knob(
        6.0, "an electrode is hit beyond this, in SDs of its own band around 1 kHz", ge=3, le=100
    )
    artefact_share: float = _knob(
        0.75, "an artefact hits this share of the electrodes that share a reference", gt=0.2, le=1
    )
    blank_saturated: bool = _knob(True, "blank an electrode while its amplifier is at its limit")
    saturated_ms: float = _knob(
        0.3, "a voltage that stays at its extreme for this long is saturated", ge=0.1, le=1000
    )
    blank_pad_ms: float = _knob(2.0, "blanked before and after too: filters ring", ge=0, le=1000)
    envelope: bool = _knob(False, "also the multi-unit envelope (MUAe) of each electrode, as a unit kind")
    envelope_band_hz: tuple[float, float] = _knob(
        (500.0, 5000.0), "band whose rectified voltage is the envelope (Super & Roelfsema 2005)"
    )
    envelope_lowpass_hz: float = _knob(200.0, "the envelope's own upper edge", ge=1, le=450)
    stable_drift: float = _knob(
        0.5, "a unit is unstable when its baseline changes by more than this share of its mean", gt=0, le=10
    )
    stable_p: float = _knob(0.01, "and this trend over blocks has a smaller p value", gt=0, le=1)


class Responses(_Section):
    """Spike times x presentations -> counts per ms."""

    start_ms: int = _knob(-50, "first ms of the count tensor, relative to image onset", ge=-1000, le=0)
    stop_ms: int = _knob(250, "end of the count tensor, relative to image onset", ge=50, le=5000)
    kinds: tuple[str, ...] = _knob(
        ("sorted", "multiunit", "online", "envelope"), "unit kinds that are carried on"
    )


class Nwb(_Section):
    """What the NWB files hold beside the analysed data, and how strictly they are checked."""

    raw: Literal["none", "link", "embed"] = _knob(
        "none", "continuous data: left out, named by path and checksum, or in the file"
    )
    backend: Literal["hdf5", "zarr"] = _knob(
        "hdf5", "one .nwb file a session, or a .nwb.zarr folder whose chunks are files, for object stores"
    )
    strict: bool = _knob(False, "findings of the validators at BEST_PRACTICE_VIOLATION and above are fatal")
    compression: Literal["gzip", "none"] = _knob(
        "gzip", "of large arrays; every reader of HDF5 and Zarr knows it"
    )
    compression_level: int = _knob(3, "gzip level: higher is smaller and slower", ge=1, le=9)
    chunk_samples: int = _knob(
        30_000, "samples in a chunk of continuous data: about a second is fast to browse", ge=100, le=10**6
    )
    chunk_channels: int = _knob(
        32, "channels in a chunk: fewer read single channels faster, more all of them", ge=1, le=1024
    )
    description: str = _knob(
        "Paired evolution of images for a visual neuron: two generative image spaces, each searched "
        "by an evolutionary algorithm driven by the neuron's evoked rate.",
        "experiment_description in the NWB files",
    )
    sex: Literal["U", "M", "F", "O"] = _knob("U", "of animals that nwb.subjects does not name")
    age: str = _knob(
        "P0D/", "ISO 8601 duration or range of animals that nwb.subjects does not name; 'P0D/' = unknown"
    )
    subjects: dict[str, dict[SubjectField, str]] = _knob(
        {}, "animal -> sex, age, species, description, weight, strain, where these differ"
    )
    weights: dict[str, str] = _knob({}, "space -> file of its generator's weights, whose checksum is kept")
    metrics: dict[str, str] = _knob({}, "space -> image metric of its Hessian frame, as LPIPS")
    presentations: str = _knob("presentations", "table of intervals in NWB files that other tools made")
    columns: dict[str, str] = _knob(
        {}, "column of presentations -> its name in such a file, as 'image: stimulus_name'"
    )
    unit_columns: dict[str, str] = _knob({}, "the same for the units, as 'label: quality'")

    @property
    def suffix(self) -> str:
        """End of a file's name, as DANDI wants it; the writer goes by it."""
        return {"hdf5": ".nwb", "zarr": ".nwb.zarr"}[self.backend]


class Analysis(_Section):
    """Trajectories, success and dynamics (docs/methods.md sections 2 to 4)."""

    unit_kind: UnitKind = _knob("sorted", "kind of the preferred unit that is analysed")
    smoothing_sigma_ms: float = _knob(
        2.0, "Gaussian on the 1 ms grid, cut at 3 sigma; 0 = raw counts", ge=0, le=50
    )
    evoked_ms: tuple[int, int] = _knob((50, 200), "evoked window, from image onset")
    baseline_ms: tuple[int, int] = _knob((0, 45), "baseline window, from image onset")
    window_ms: tuple[int, int] = _knob((0, 200), "range of the PSTH and of the time bins")
    bins_ms: tuple[int, ...] = _knob(
        (5, 10, 20, 25, 50), "widths of the consecutive time bins: of trajectories and of attribution"
    )
    figure_bin_ms: int = _knob(10, "width of the bins in the dynamics figures", ge=1, le=100)
    min_blocks: int = _knob(15, "an experiment with fewer blocks is not valid", ge=4)
    min_last_block: int = _knob(10, "a last block with fewer images in either thread is dropped", ge=1)
    success_p: float = _knob(
        0.01, "a thread succeeds below this p(maxinit) (Figs. 4A, 4D, Ext. 4)", gt=0, lt=1
    )
    both_succeed_p: float = _knob(0.05, "threshold for 'both succeed' (Figs. 3G, 4B, 4C, 5)", gt=0, lt=1)
    time_constant_theta: float = _knob(0.8, "share of the maximum that defines convergence", gt=0, lt=1)
    fdr: float = _knob(0.05, "Benjamini-Hochberg level within a panel", gt=0, lt=1)
    crossover_bins: int = _knob(3, "bins for which a lead must last to have a latency", ge=1)
    texture_spaces: tuple[str, ...] = _knob(
        ("texture", "DeePSim", "fc6"), "names of the spaces that count as texture"
    )
    object_spaces: tuple[str, ...] = _knob(
        ("object", "BigGAN", "BigGAN_class"), "names of the spaces that count as object"
    )
    time_constant_alternative: float = _knob(
        0.632, "the second share of the maximum that is reported", gt=0, lt=1
    )
    success_interval: float = _knob(0.9, "mass of the interval of a success rate", gt=0, lt=1)
    attribution_from_ms: float = _knob(
        25.0, "centres of mass leave out what comes before: no answer yet", ge=0, le=200
    )
    late_fraction: float = _knob(
        0.5, "share of the blocks, from the end, that are late: contrast and crossover", gt=0, le=1
    )
    n_bootstrap: int = _knob(1000, "bootstrap draws of every interval", ge=10, le=100_000)
    interval: float = _knob(0.95, "mass of the bootstrap intervals", gt=0, lt=1)
    n_permutations: int = _knob(
        2000, "sign flips of the cluster test; draws of p_selected", ge=20, le=1_000_000
    )
    cluster_p: float = _knob(0.05, "a bin below this p joins a cluster", gt=0, lt=1)
    lead_p: float = _knob(
        0.05,
        "family-wise level of each space's lead; a crossover needs both, so a false one is at most as likely",
        gt=0,
        lt=1,
    )
    min_experiments: int = _knob(
        5,
        "fewest experiments (late blocks of a session) for a lead, latency or crossover: "
        "5 have 32 sign flips, so p can be .03; 4 never get below .06",
        ge=2,
    )
    min_interval_experiments: int = _knob(
        8, "fewest for the interval of a latency or crossover: with less it is wrong too often", ge=3
    )


class Encoding(_Section):
    """Which space explains a unit, and when (docs/methods.md section 6)."""

    unit_kinds: tuple[UnitKind, ...] = _knob(("sorted",), "kinds of units that are analysed")
    window_ms: tuple[int, int] = _knob((0, 200), "range that the windows cover, from image onset")
    width_ms: int = _knob(10, "width of a window", ge=1, le=500)
    step_ms: int = _knob(10, "from one window's start to the next's; equal to the width: tiling", ge=1)
    schemes: tuple[Literal["image", "block"], ...] = _knob(
        ("image", "block"), "folds grouped by image, and folds of whole blocks"
    )
    n_folds: int = _knob(5, "folds; the inner folds are the other outer folds", ge=3, le=20)
    alpha_log10: tuple[float, float] = _knob((-3.0, 12.0), "first and last exponent of the alphas")
    n_alphas: int = _knob(100, "alphas, log-spaced", ge=1, le=1000)
    projections: tuple[Literal["full", "top", "bottom", "random"], ...] = _knob(
        ("full", "top", "bottom", "random"), "predictors: all latents, or k Hessian or random directions"
    )
    projection_dims: tuple[int, ...] = _knob(
        (8, 128, 256, 512), "the k; only those below a space's latent dimension are used"
    )
    n_permutations: int = _knob(1000, "permutations of the responses; 0 = no p values", ge=0, le=10_000_000)
    permuted_projections: tuple[Literal["full", "top", "bottom", "random"], ...] = _knob(
        ("full",), "projections that get p values: each costs as much as the full one"
    )
    permuted_schemes: tuple[Literal["image", "block"], ...] = _knob(
        ("image",), "fold schemes that get p values: each costs as much as the first"
    )
    permute: Literal["shuffle", "runs", "turn"] = _knob(
        "shuffle",
        "permutations within blocks: single presentations; runs of permute_run neighbours; each block turned",
    )
    permute_run: int = _knob(5, "presentations of a run that is moved as one, where permute is 'runs'", ge=2)
    remove_trend: bool = _knob(
        False, "take a linear trend over the order of display of each block out of latents and responses"
    )
    order_p: float = _knob(
        0.01, "warn when latents depend on the order of display within blocks at this p", gt=0, lt=1
    )
    match_presentations: bool = _knob(
        True, "compare the R2 of projections at one number of presentations: that of the smaller thread"
    )
    n_bootstrap: int = _knob(
        1000, "draws of every interval, and simulated estimates of a linear share", ge=10, le=100_000
    )
    interval: float = _knob(0.95, "mass of the intervals", gt=0, lt=1)
    index_level: float = _knob(
        0.05, "level of the tests of a unit: explained by a space in a window, led by a space", gt=0, le=1
    )
    crossover_bins: int = _knob(3, "windows of a run, over which a lead is tested", ge=1)
    fdr: float = _knob(0.05, "Benjamini-Hochberg level over units", gt=0, lt=1)
    ceiling: Literal["auto", "repeats", "bins"] = _knob(
        "auto", "halves of the noise ceiling: repeats of images, alternate ms, or repeats where they suffice"
    )
    ceiling_images: int = _knob(8, "'auto' takes repeats from this many repeated images on", ge=3)
    ceiling_floor: float = _knob(0.01, "R2 and parts of it are never divided by less", gt=0, lt=1)
    eigenframes: dict[str, str] = _knob(
        {}, "space -> .npz of Hessian eigenvectors, in place of the frame that section hessian makes"
    )
    spectrum_bins: int = _knob(8, "bins of eigenvalue rank in the spectrum", ge=1, le=256)
    memory_gb: float = _knob(4.0, "working memory of the permutations, host or GPU", ge=0.05, le=1000)
    tf32: bool = _knob(
        False, "permutations on tensor cores: products rounded to 10 bits, about 1e-3 relative"
    )


# Spaces that need no weights.
GENERATED_SPACES = ("texture", "object")


class Hessian(_Section):
    """Eigenframes of the spaces, and images along their axes (docs/methods.md section 7)."""

    metric: str = _knob(
        "pixel", "image distance: 'pixel', 'lpips', 'lpips_squeeze' or a network of section prototypes"
    )
    samples: int = _knob(16, "founders of a space over which its Hessian is averaged", ge=1, le=10_000)
    method: Literal["auto", "exact", "lanczos", "randomized"] = _knob(
        "auto", "the whole Hessian, or its leading directions; 'auto': by the number of latents"
    )
    exact_latents: int = _knob(512, "'auto' takes the whole Hessian up to so many latents", ge=1, le=8192)
    top: int = _knob(
        512, "leading directions where the Hessian is not whole: as many as the encoding's largest k", ge=1
    )
    axes: dict[Literal["class", "noise"], tuple[int, ...]] = _knob(
        {"class": (0, 1, 2, 3, 6, 9, 13, 21, 30, 60), "noise": (0, 1, 2, 3, 5, 8, 10, 20, 40)},
        "block of the latent -> ranks of the eigenvectors that images are sampled along",
    )
    distances: tuple[float, ...] = _knob(
        (0.16, 0.24, 0.32, 0.4), "image distances from the centre at which images are sampled, both ways"
    )


class Deepsim(_Section):
    """DeePSim's fc6 generator: the texture space of the study."""

    weights: str = _knob("", "the published file upconvGAN_fc6.pt, or the same as .safetensors; '' = none")
    sha256: str = _knob("", "checksum that the file must have; '' = not checked")
    names: tuple[str, ...] = _knob(("DeePSim", "fc6"), "spaces of sessions that it renders, by name")


class Biggan(_Section):
    """BigGAN-deep-256: the object space of the study."""

    weights: str = _knob(
        "", "the published file biggan-deep-256-pytorch_model.bin, or the same as .safetensors; '' = none"
    )
    sha256: str = _knob("", "checksum that the file must have; '' = not checked")
    config: str = _knob("", "config.json of the weights; '' = the blocks of BigGAN-deep-256")
    truncation: float = _knob(0.7, "of rendering, as in the study", gt=0, le=1)
    names: tuple[str, ...] = _knob(("BigGAN",), "spaces of sessions that it renders: noise and class")
    class_names: tuple[str, ...] = _knob(("BigGAN_class",), "the same: class embeddings at a fixed noise")
    noise: str = _knob(
        "", "fixed noise of sessions that tell none: .npy, text or the rig's space_opts.mat; '' = unknown"
    )


class Spaces(_Section):
    """Generators of images whose weights you have (docs/generators.md)."""

    deepsim: Deepsim = Deepsim()
    biggan: Biggan = Biggan()

    @property
    def files(self) -> dict[str, str]:
        """Setting -> file that it names, of every generator."""
        named = {
            "spaces.deepsim.weights": self.deepsim.weights,
            "spaces.biggan.weights": self.biggan.weights,
            "spaces.biggan.config": self.biggan.config,
            "spaces.biggan.noise": self.biggan.noise,
        }
        return {setting: file for setting, file in named.items() if file}

    @property
    def rendered(self) -> tuple[str, ...]:
        """Spaces that can be rendered whatever the session, by name."""
        deepsim = self.deepsim.names if self.deepsim.weights else ()
        biggan = self.biggan.names if self.biggan.weights else ()
        classes = self.biggan.class_names if self.biggan.weights and self.biggan.noise else ()
        return (*deepsim, *biggan, *classes)

    def weights_of(self, space: str) -> str:
        """File of weights of a space by its name; '' where none is configured."""
        if space in self.deepsim.names:
            return self.deepsim.weights
        return self.biggan.weights if space in (*self.biggan.names, *self.biggan.class_names) else ""


class Prototypes(_Section):
    """Images that stand for a thread, and distances between them (docs/methods.md section 5)."""

    efficientnet: bool = _knob(True, "measure with EfficientNet-Lite0 (ImageNet), which comes with the pins")
    networks: dict[str, str] = _knob(
        {}, "measure -> TorchScript file: ImageNet-normalised images to maps [n, channel, row, column]"
    )
    lpips_alexnet: str = _knob("", "torchvision's AlexNet weights, for LPIPS: alexnet-owt-7be5be79.pth")
    lpips_linear: str = _knob("", "LPIPS' own weights, v0.1/alex.pth; '' in both = no LPIPS")
    lpips_squeezenet: str = _knob(
        "", "torchvision's SqueezeNet weights, for LPIPS on it: squeezenet1_1-b8a52dc0.pth"
    )
    lpips_squeeze_linear: str = _knob("", "LPIPS' own weights, v0.1/squeeze.pth; '' in both = not measured")
    prototype: Literal["best", "average", "re-evolved"] = _knob("best", "prototype of the figure's points")
    measure: str = _knob(
        "efficientnet_lite0", "measure of the figure's points: 'pixel', 'lpips', a network .."
    )
    mask: Literal["none", "centre", "rings"] = _knob("centre", "places that count in the figure's points")


class Tuning(_Section):
    """Tuning along eigen-axes of the image metric (docs/methods.md section 7)."""

    anova_p: float = _knob(0.01, "an axis is tuned below this p of the ANOVA over distances", gt=0, lt=1)
    min_distances: int = _knob(4, "an axis with fewer distances is left out", ge=3)
    gp_restarts: int = _knob(
        10, "random starts of the Gaussian process; 0 misses the best fit in 1 of 5 axes", ge=0, le=1000
    )
    gp_points: int = _knob(100, "points of its mean, from which the shape is told", ge=10, le=10_000)
    shape_tolerance_hz: float = _knob(0.01, "a step against the trend up to this does not count", ge=0)
    reach: float = _knob(0.4, "common axes are sampled at both +reach and -reach", gt=0)
    peak_centres: tuple[float, ...] = _knob(
        (-0.4, -0.32, -0.24, -0.16, 0.0, 0.16, 0.24, 0.32, 0.4), "centres of the bins of peak locations"
    )
    centre: float = _knob(0.08, "a peak no further from the origin lies in the bin at 0", ge=0)
    interval: float = _knob(0.95, "mass of the Wilson intervals of fractions", gt=0, lt=1)
    success_p: float = _knob(
        0.01, "an evolution succeeds below this p of its last block against its first", gt=0, lt=1
    )
    n_permutations: int = _knob(5000, "permutations of success over sessions", ge=20, le=1_000_000)


class Figures(_Section):
    """What the figures look like."""

    style: str = _knob("resources/style/evoalign.mplstyle", "matplotlib style file")
    dpi: int = _knob(200, "of the bitmaps", ge=50, le=1200)


class Provenance(_Section):
    """What is told of a run, beside what it took: docs/provenance.md."""

    license: str = _knob(
        "", "of the results, for the RO-Crate: a URL, as of Creative Commons; '' = none stated"
    )
    core_w: float = _knob(12.0, "a busy core draws: your processor's TDP / its cores", gt=0, le=200)
    gpu_w: float = _knob(200.0, "a GPU draws, where its own counter of energy is not read", gt=0, le=5000)
    pue: float = _knob(
        1.67, "power usage effectiveness: what the building draws for each watt; 1 = nothing else", ge=1, le=5
    )


class Demo(_Section):
    """The demo study that `make demo` simulates."""

    seed: int = _knob(20260, "seed of the whole demo study", ge=0)
    n_electrodes: int = _knob(16, "electrodes a session", ge=4, le=96)
    n_blocks: int = _knob(17, "blocks (= generations) a session", ge=4, le=60)
    images_per_thread: int = _knob(12, "generated images a thread and block", ge=4, le=40)
    references_per_thread: int = _knob(2, "natural reference images a thread and block", ge=0, le=20)
    noise_uv: float = _knob(9.0, "standard deviation of the voltage noise", gt=0, le=50)


class Config(_Section):
    """The whole of config.yaml."""

    study: str = _knob("demo", "name of the study, for titles")
    sessions: str = _knob("config/sessions.tsv", "the sample sheet")
    results: str = _knob("results", "folder for everything the pipeline makes")
    device: Literal["auto", "cpu", "cuda"] = _knob("auto", "where the analysis runs")
    seed: int = _knob(0, "seed of every random step right of the raw data", ge=0)
    institution: str = _knob("", "written into the NWB files")
    lab: str = _knob("", "written into the NWB files")
    experimenter: tuple[str, ...] = _knob((), "'Family, Given' each; written into the NWB files")
    species: str = _knob("Macaca mulatta", "written into the NWB files")
    recordings: Recordings = Recordings()
    events: Events = Events()
    sorting: Sorting = Sorting()
    responses: Responses = Responses()
    nwb: Nwb = Nwb()
    analysis: Analysis = Analysis()
    encoding: Encoding = Encoding()
    spaces: Spaces = Spaces()
    prototypes: Prototypes = Prototypes()
    hessian: Hessian = Hessian()
    tuning: Tuning = Tuning()
    figures: Figures = Figures()
    provenance: Provenance = Provenance()
    demo: Demo = Demo()


class Session(_Section):
    """One row of sessions.tsv: one experiment."""

    session: str = Field(description="unique name; letters, digits, '_' and '-'", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str = Field(description="name of the animal", min_length=1)
    date: dt.date | None = Field(None, description="yyyy-mm-dd; '' = as in the recording's header")
    nwb: str = Field(
        "", description="an NWB file or .nwb.zarr folder, in place of raw, log, latents, images and arrays"
    )
    raw: tuple[str, ...] = Field((), description="raw files, separated by ';' (a.nev;a.ns6, a.plx or a.pl2)")
    log: str = Field("", description="stimulus log (.tsv, .bhv2, .h5, .mat)")
    latents: str = Field("", description="folder of block*_thread*_code.mat files")
    images: str = Field("", description="folder of the shown images")
    arrays: str = Field("", description="array map: channel to array, area and position")
    preferred: str = Field(
        "",
        description="channel and online unit letter that drove the evolution, as 12a",
        pattern=r"^(\d+[a-z]?)?$",
    )
    site: str = Field(
        "",
        description="recording site: the same name in every session of it; '' = animal, array, channel, unit",
    )
    spaces: tuple[str, ...] = Field((), description="space of thread 0 and of thread 1, separated by ';'")
    optimisers: tuple[str, ...] = Field(
        (), description="optimiser of thread 0 and of thread 1, separated by ';'; '' = unknown"
    )
    photodiode: str = Field("", description="name or number of the photodiode's analog channel; '' = none")
    curation: str = Field(
        "", description="manual curation: SpikeInterface's .json, or a folder of phy; it wins over the sorter"
    )
    unstable_baseline: str = Field("", description="reason to exclude the session; '' = stable")
    follows: str = Field(
        "", description="session whose evolution a Hessian tuning session follows; '' = none, or its own"
    )

    @field_validator("raw", "spaces", "optimisers", mode="before")
    @classmethod
    def _split(cls, cell: object) -> object:
        if isinstance(cell, str):
            return tuple(part.strip() for part in cell.split(";") if part.strip())
        return cell

    @field_validator("date", mode="before")
    @classmethod
    def _no_date(cls, cell: object) -> object:
        return None if cell == "" else cell

    @model_validator(mode="after")
    def _raw_or_nwb(self) -> Session:
        if self.raw and self.nwb:
            raise ValueError("give raw files or an nwb file, not both")
        if len(self.optimisers) not in (0, 2):
            raise ValueError("optimisers names two, of thread 0 and of thread 1, separated by ';', or none")
        if not (self.raw or self.nwb or self.log):
            raise ValueError("give raw files, an nwb file or at least a log")
        return self

    @property
    def preferred_channel(self) -> int:
        """Channel of the preferred unit; -1 when the sheet names none."""
        match = re.match(r"\d+", self.preferred)
        return int(match.group()) if match else -1

    @property
    def preferred_unit(self) -> int:
        """Online unit of the preferred unit: a = 1, b = 2, ..; 0 when without a letter."""
        letter = self.preferred.lstrip("0123456789")
        return ord(letter) - ord("a") + 1 if letter else 0

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that the row names."""
        named = (*self.raw, self.nwb, self.log, self.latents, self.images, self.arrays, self.curation)
        return tuple(path for path in named if path)


def load_config(path: str | PathLike[str]) -> Config:
    """Read and check config.yaml.

    Raises
    ------
    InputError
        The file is missing or no YAML, or a key is unknown (with the nearest
        valid spelling), of the wrong type or out of its range.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the configuration: {error.strerror}", path) from error
    except yaml.YAMLError as error:
        raise InputError(f"no valid YAML: {error}", path) from error
    return check_config(content or {}, path)


def check_config(content: object, where: str | PathLike[str] = "config") -> Config:
    """Check a configuration that Snakemake has merged already; see `load_config`."""
    if not isinstance(content, dict):
        raise InputError("the configuration is not a mapping of keys to values", where)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise _explain(error, where, Config) from None


def check_generators(config: Config) -> None:
    """Refuse weights that are not there before any job starts.

    Raises
    ------
    InputError
        Naming each setting and file.
    """
    missing = {name: file for name, file in config.spaces.files.items() if not Path(file).is_file()}
    if missing:
        raise InputError(
            f"no such file: {', '.join(f'{file} ({name})' for name, file in missing.items())}",
            "config, section spaces",
            "correct the path, or get the published file: `evoalign spaces list` says which and whence",
        )


def load_sessions(
    path: str | PathLike[str], exists: Callable[[str], bool] = lambda _: True
) -> tuple[Session, ...]:
    """Read and check the sample sheet.

    Parameters
    ----------
    path : path
        A tab-separated table with a header; empty lines and lines that start
        with ``#`` are passed over.
    exists : callable, optional
        Tells whether a file or folder that a row names is there (or will be
        made); by default paths are not looked at. URLs are not asked for:
        Snakemake does that.

    Returns
    -------
    tuple of Session
        One a row, in the order of the sheet.

    Raises
    ------
    InputError
        Naming file, row (the header is row 1) and column.
    """
    sessions: list[Session] = []
    rows: dict[str, str] = {}
    for where, cells in _sheet_rows(Path(path)):
        try:
            session = Session.model_validate(cells)
        except ValidationError as error:
            raise _explain(error, where, Session) from None
        if session.session in rows:
            raise InputError(
                f"session '{session.session}' stands twice",
                f"{rows[session.session]} and {where}",
                "give each row a name of its own",
            )
        _check_files(session, where, exists)
        rows[session.session] = where
        sessions.append(session)
    if not sessions:
        raise InputError("the sample sheet has no rows", path)
    for session in sessions:
        if session.follows and session.follows not in rows:
            raise InputError(
                f"there is no session '{session.follows}'",
                f"{rows[session.session]}, column follows",
                _nearest(session.follows, list(rows)),
            )
    return tuple(sessions)


def with_local_stimuli(session: Session, stimuli: Iterable[str]) -> Session:
    """Return a row whose folders of latents and images are those that a job has.

    Parameters
    ----------
    session : Session
        Its cells may be URLs.
    stimuli : iterable of str
        The folders on this machine: of latents, of images, without those that the row leaves out.
    """
    named = [column for column in ("latents", "images") if getattr(session, column)]
    return session.model_copy(update=dict(zip(named, stimuli, strict=True)))


def check_curations(sessions: Iterable[Session], results: str | PathLike[str]) -> None:
    """Refuse a curation that lies where the pipeline writes.

    Raises
    ------
    InputError
        The export that the curation was made in would be overwritten with it.
    """
    for session in sessions:
        if session.curation and Path(session.curation).resolve().is_relative_to(Path(results).resolve()):
            raise InputError(
                f"the curation '{session.curation}' lies where the pipeline writes, and would be overwritten",
                f"sample sheet, session {session.session}, column curation",
                f"copy it to a folder outside '{results}'",
            )


def _sheet_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the sample sheet: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise InputError("the sample sheet is not UTF-8 text", f"{path}, byte {error.start}") from error
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    reader = csv.DictReader((line for _, line in lines), delimiter="\t")
    known = list(Session.model_fields)
    for column in reader.fieldnames or []:
        if column not in known:
            where = f"{path}, row {lines[0][0]}"
            raise InputError(f"unknown column '{column}'", where, _nearest(column, known))
    for (number, _), row in zip(lines[1:], reader, strict=True):
        where = f"{path}, row {number}"
        if None in row or any(cell is None for cell in row.values()):
            raise InputError(
                "the row has not as many cells as the header", where, "separate cells by one tab"
            )
        yield where, {column: cell.strip() for column, cell in row.items()}


def _check_files(session: Session, where: str, exists: Callable[[str], bool]) -> None:
    for column in ("raw", "nwb", "log", "latents", "images", "arrays", "curation"):
        named = getattr(session, column)
        for file in (named,) if isinstance(named, str) else named:
            if storage.is_url(file):
                _check_url(file, f"{where}, column {column}")
            elif file and not exists(file):
                raise InputError(f"'{file}' does not exist", f"{where}, column {column}", "correct the path")


def _check_url(url: str, where: str) -> None:
    storage.check_url(url, where)
    if where.endswith("curation"):
        raise InputError(
            "a curation is read from a local path only", where, "copy it into the study's folder"
        )


def _explain(error: ValidationError, where: str | PathLike[str], model: type[BaseModel]) -> InputError:
    problems = []
    mend = ""
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            problems.append(f"unknown key '{key}'")
            mend = mend or _nearest(str(item["loc"][-1]), _keys(model, item["loc"][:-1]))
        else:
            shown = f" (found {item['input']!r})" if key and not isinstance(item["input"], dict) else ""
            problems.append(f"{key}: {item['msg']}{shown}" if key else str(item["msg"]))
    return InputError("; ".join(problems), where, mend)


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        section = model.model_fields[str(part)].annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            model = section
    return list(model.model_fields)


def _nearest(word: str, known: list[str]) -> str:
    best = process.extractOne(word, known, score_cutoff=50)
    return f"did you mean '{best[0]}'?" if best else f"valid: {', '.join(known)}"


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of `Config` or `Session`, as kept in workflow/schemas."""
    return model.model_json_schema()
