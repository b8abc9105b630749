"""Settings of the analysis: of sessions and areas, of encoding, of tuning."""

from __future__ import annotations

from typing import Literal

from evoalign.settings import Section, UnitKind, setting
from evoalign.spaces.settings import Hessian, Prototypes, Spaces


class Analysis(Section):
    """Trajectories, success and dynamics (docs/methods.md sections 2 to 4)."""

    unit_kind: UnitKind = setting("sorted", "kind of the preferred unit that is analysed")
    pool_kinds: bool = setting(
        False,
        "pool experiments whose preferred unit is of another kind, for want of the one above, with others",
    )
    smoothing_sigma_ms: float = setting(
        2.0, "Gaussian on the 1 ms grid, cut at 3 sigma; 0 = raw counts", ge=0, le=50
    )
    evoked_ms: tuple[int, int] = setting((50, 200), "evoked window, from image onset")
    baseline_ms: tuple[int, int] = setting((0, 45), "baseline window, from image onset")
    window_ms: tuple[int, int] = setting((0, 200), "range of the PSTH and of the time bins")
    bins_ms: tuple[int, ...] = setting(
        (5, 10, 20, 25, 50), "widths of the consecutive time bins: of trajectories and of attribution"
    )
    figure_bin_ms: int = setting(10, "width of the bins in the dynamics figures", ge=1, le=100)
    min_blocks: int = setting(15, "an experiment with fewer blocks is not valid", ge=4)
    min_last_block: int = setting(10, "a last block with fewer images in either thread is dropped", ge=1)
    success_p: float = setting(
        0.01, "a thread succeeds below this p(maxinit) (Figs. 4A, 4D, Ext. 4)", gt=0, lt=1
    )
    both_succeed_p: float = setting(0.05, "threshold for 'both succeed' (Figs. 3G, 4B, 4C, 5)", gt=0, lt=1)
    time_constant_theta: float = setting(0.8, "share of the maximum that defines convergence", gt=0, lt=1)
    fdr: float = setting(0.05, "Benjamini-Hochberg level within a panel", gt=0, lt=1)
    crossover_bins: int = setting(3, "bins for which a lead must last to have a latency", ge=1)
    texture_spaces: tuple[str, ...] = setting(
        ("texture", "DeePSim", "fc6"), "names of the spaces that count as texture"
    )
    object_spaces: tuple[str, ...] = setting(
        ("object", "BigGAN", "BigGAN_class"), "names of the spaces that count as object"
    )
    time_constant_alternative: float = setting(
        0.632, "the second share of the maximum that is reported", gt=0, lt=1
    )
    success_interval: float = setting(0.9, "mass of the interval of a success rate", gt=0, lt=1)
    attribution_from_ms: float = setting(
        25.0, "centres of mass leave out what comes before: no answer yet", ge=0, le=200
    )
    late_fraction: float = setting(
        0.5, "share of the blocks, from the end, that are late: contrast and crossover", gt=0, le=1
    )
    n_bootstrap: int = setting(1000, "bootstrap draws of every interval", ge=10, le=100_000)
    interval: float = setting(0.95, "mass of the bootstrap intervals", gt=0, lt=1)
    n_permutations: int = setting(
        2000, "sign flips of the cluster test; draws of p_selected", ge=20, le=1_000_000
    )
    cluster_p: float = setting(0.05, "a bin below this p joins a cluster", gt=0, lt=1)
    lead_p: float = setting(
        0.05,
        "family-wise level of each space's lead; a crossover needs both, so a false one is at most as likely",
        gt=0,
        lt=1,
    )
    min_experiments: int = setting(
        5,
        "fewest experiments (late blocks of a session) for a lead, latency or crossover: "
        "5 have 32 sign flips, so p can be .03; 4 never get below .06",
        ge=2,
    )
    min_interval_experiments: int = setting(
        8, "fewest for the interval of a latency or crossover: with less it is wrong too often", ge=3
    )


class Encoding(Section):
    """Which space explains a unit, and when (docs/methods.md section 6)."""

    unit_kinds: tuple[UnitKind, ...] = setting(("sorted",), "kinds of units that are analysed")
    window_ms: tuple[int, int] = setting((0, 200), "range that the windows cover, from image onset")
    width_ms: int = setting(10, "width of a window", ge=1, le=500)
    step_ms: int = setting(10, "from one window's start to the next's; equal to the width: tiling", ge=1)
    schemes: tuple[Literal["image", "block"], ...] = setting(
        ("image", "block"), "folds grouped by image, and folds of whole blocks"
    )
    n_folds: int = setting(5, "folds; the inner folds are the other outer folds", ge=3, le=20)
    alpha_log10: tuple[float, float] = setting((-3.0, 12.0), "first and last exponent of the alphas")
    n_alphas: int = setting(100, "alphas, log-spaced", ge=1, le=1000)
    projections: tuple[Literal["full", "top", "bottom", "random"], ...] = setting(
        ("full", "top", "bottom", "random"), "predictors: all latents, or k Hessian or random directions"
    )
    projection_dims: tuple[int, ...] = setting(
        (8, 128, 256, 512), "the k; only those below a space's latent dimension are used"
    )
    n_permutations: int = setting(1000, "permutations of the responses; 0 = no p values", ge=0, le=10_000_000)
    permuted_projections: tuple[Literal["full", "top", "bottom", "random"], ...] = setting(
        ("full",), "projections that get p values: each costs as much as the full one"
    )
    permuted_schemes: tuple[Literal["image", "block"], ...] = setting(
        ("image",), "fold schemes that get p values: each costs as much as the first"
    )
    permute: Literal["shuffle", "runs", "turn"] = setting(
        "shuffle",
        "permutations within blocks: single presentations; runs of permute_run neighbours; each block turned",
    )
    permute_run: int = setting(
        5, "presentations of a run that is moved as one, where permute is 'runs'", ge=2
    )
    remove_trend: bool = setting(
        False, "take a linear trend over the order of display of each block out of latents and responses"
    )
    order_p: float = setting(
        0.01, "warn when latents depend on the order of display within blocks at this p", gt=0, lt=1
    )
    max_unrecorded: float = setting(
        0.1,
        "share of presentations in which a unit may be without a record; beyond it, it is left out",
        ge=0,
        lt=1,
    )
    match_presentations: bool = setting(
        True, "compare the R2 of projections at one number of presentations: that of the smaller thread"
    )
    n_bootstrap: int = setting(
        1000, "draws of every interval, and simulated estimates of a linear share", ge=10, le=100_000
    )
    interval: float = setting(0.95, "mass of the intervals", gt=0, lt=1)
    index_level: float = setting(
        0.05, "level of the tests of a unit: explained by a space in a window, led by a space", gt=0, le=1
    )
    crossover_bins: int = setting(3, "windows of a run, over which a lead is tested", ge=1)
    fdr: float = setting(0.05, "Benjamini-Hochberg level over units", gt=0, lt=1)
    ceiling: Literal["auto", "repeats", "bins"] = setting(
        "auto", "halves of the noise ceiling: repeats of images, alternate ms, or repeats where they suffice"
    )
    ceiling_images: int = setting(8, "'auto' takes repeats from this many repeated images on", ge=3)
    ceiling_floor: float = setting(0.01, "R2 and parts of it are never divided by less", gt=0, lt=1)
    eigenframes: dict[str, str] = setting(
        {}, "space -> .npz of Hessian eigenvectors, in place of the frame that section hessian makes"
    )
    spectrum_bins: int = setting(8, "bins of eigenvalue rank in the spectrum", ge=1, le=256)
    memory_gb: float = setting(4.0, "working memory of the permutations, host or GPU", ge=0.05, le=1000)
    tf32: bool = setting(
        False, "permutations on tensor cores: products rounded to 10 bits, about 1e-3 relative"
    )


class Tuning(Section):
    """Tuning along eigen-axes of the image metric (docs/methods.md section 7)."""

    anova_p: float = setting(0.01, "an axis is tuned below this p of the ANOVA over distances", gt=0, lt=1)
    min_distances: int = setting(4, "an axis with fewer distances is left out", ge=3)
    gp_restarts: int = setting(
        10, "random starts of the Gaussian process; 0 misses the best fit in 1 of 5 axes", ge=0, le=1000
    )
    gp_points: int = setting(100, "points of its mean, from which the shape is told", ge=10, le=10_000)
    shape_tolerance_hz: float = setting(0.01, "a step against the trend up to this does not count", ge=0)
    reach: float = setting(0.4, "common axes are sampled at both +reach and -reach", gt=0)
    peak_centres: tuple[float, ...] = setting(
        (-0.4, -0.32, -0.24, -0.16, 0.0, 0.16, 0.24, 0.32, 0.4), "centres of the bins of peak locations"
    )
    centre: float = setting(0.08, "a peak no further from the origin lies in the bin at 0", ge=0)
    interval: float = setting(0.95, "mass of the Wilson intervals of fractions", gt=0, lt=1)
    success_p: float = setting(
        0.01, "an evolution succeeds below this p of its last block against its first", gt=0, lt=1
    )
    n_permutations: int = setting(5000, "permutations of success over sessions", ge=20, le=1_000_000)


class AnalysisConfig(Section):
    """What sessions are analysed and pooled with."""

    device: Literal["auto", "cpu", "cuda"] = setting("auto", "where the analysis runs")
    seed: int = setting(0, "seed of every random step right of the raw data", ge=0)
    analysis: Analysis = Analysis()
    encoding: Encoding = Encoding()
    spaces: Spaces = Spaces()
    prototypes: Prototypes = Prototypes()
    hessian: Hessian = Hessian()
    tuning: Tuning = Tuning()
