"""Methods of a study, from the settings and versions that it was run with, ready to paste.

Third person and past tense, as in a paper; nothing is said of what was not
done. The text is given away under CC0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evoalign.analysis.levels import FIRST_PERMUTATIONS, HOPELESS
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.events.settings import Events
from evoalign.figures.captions import percent, span
from evoalign.figures.methods_links import Citations, Paragraph, SectionValues, in_hz, in_ms, link, to
from evoalign.figures.panels import words
from evoalign.formats.names import FORMAT_NAMES, THROUGH_NEO
from evoalign.sorting.settings import DEFAULT_SORTER, Sorting
from evoalign.spaces.settings import Hessian, Prototypes

LICENCE = "This text and its references may be copied freely, without credit, under CC0 1.0."


class StudySettings(Protocol):
    """The sections of the configuration that the text is written from."""

    events: Events
    sorting: Sorting
    analysis: Analysis
    encoding: Encoding
    tuning: Tuning
    prototypes: Prototypes
    hessian: Hessian
    seed: int


@dataclass(frozen=True)
class Methods:
    """Paragraphs, and the references in the order in which they are named."""

    paragraphs: Sequence[Paragraph]
    references: Sequence[str]
    licence: str = LICENCE


def methods(
    config: StudySettings,
    versions: Mapping[str, str],
    formats: Iterable[str] = (),
    analysed: bool = True,
    encoded: bool = True,
    tuned: bool = False,
    compared: bool = False,
    optimisers: Mapping[str, int] | None = None,
) -> Methods:
    """Write the methods of a study.

    Parameters
    ----------
    config : study.Config
        What the study was run with.
    versions : mapping of str to str
        Package -> version; ``version`` and ``commit`` of the pipeline, ``python``.
    formats : iterable of str
        Formats of the recordings; none where sessions came as NWB files.
    analysed, encoded, tuned, compared : bool
        Whether experiments were pooled, units modelled, sessions of images along eigen-axes
        analysed, and prototypes compared.
    optimisers : mapping of str to int, optional
        Name -> threads whose images it proposed, where sessions name one.
    """
    cite = Citations()
    named = sorted(set(formats))
    paragraphs = [Paragraph("Pipeline", _pipeline(versions, cite))]
    if named:
        paragraphs.append(
            Paragraph("Recordings and alignment", _alignment(config.events, named, cite, versions))
        )
        paragraphs.append(Paragraph("Spike sorting", _sorting(config.sorting, versions, cite)))
    if analysed:
        paragraphs.append(
            Paragraph("Responses and success", _responses(config.analysis, cite, optimisers or {}))
        )
        paragraphs.append(Paragraph("Dynamics", _dynamics(config.analysis, config.seed, cite)))
    if encoded:
        paragraphs.append(Paragraph("Encoding", _encoding(config.encoding, cite)))
    if tuned:
        paragraphs.append(Paragraph("Tuning", _tuning(config.tuning, config.analysis, config.hessian, cite)))
    if compared:
        paragraphs.append(Paragraph("Prototypes", _prototypes(config.prototypes, cite)))
    return Methods(paragraphs, cite.references)


def _pipeline(versions: Mapping[str, str], cite: Citations) -> str:
    commit = f", commit {versions['commit'][:12]}" if versions.get("commit") else ""
    engine = f"a Snakemake {versions['snakemake']} workflow{cite('snakemake')} that follows{cite('study')}"
    packages = (
        f"Python {versions['python']}, NumPy {versions['numpy']}{cite('numpy')}, SciPy "
        f"{versions['scipy']}{cite('scipy')} and PyTorch {versions['torch']}{cite('torch')}"
    )
    return words(
        f"""
        Data were processed with evoalign {versions["version"]}{commit}, {engine}, using {packages}. Each
        session was packaged as Neurodata Without Borders{cite("nwb")} with PyNWB {versions["pynwb"]} and
        checked by nwbinspector and DANDI's validator.
        """
    )


def _alignment(events: Events, formats: Sequence[str], cite: Citations, versions: Mapping[str, str]) -> str:
    named, from_neo = (
        ", ".join(FORMAT_NAMES.get(name, name) for name in formats if name in wanted)
        for wanted in (formats, THROUGH_NEO)
    )
    neo = f" ({from_neo} read with neo {versions['neo']}{cite('neo')})" if from_neo else ""
    value = SectionValues("events", events)
    delay = value("display_delay_ms", in_ms)
    added = f", {delay} added for the display" if events.display_delay_ms else ""
    return words(
        f"""
        Recordings were in the formats {named}{neo}; pauses kept their true length. Image
        presentations were found by event words {value("onset_words", to)} and matched to the behaviour
        computer's log; a robust line took the log's clock to the recording's. Image onset was the change of
        the photodiode at most {value("photodiode_max_delay_ms", in_ms)} after its word, where one was
        recorded; otherwise the word's time{added}. Sessions in which fewer than
        {value("min_matched", percent)} of
        presentations matched, or whose 99th percentile of clock residuals exceeded
        {value("max_residual_ms", in_ms)}, were
        refused.
        """
    )


def _sorting(sorting: Sorting, versions: Mapping[str, str], cite: Citations) -> str:
    value = SectionValues("sorting", sorting)
    if sorting.sorter == DEFAULT_SORTER:
        how = (
            "Each electrode was sorted by itself: voltages were filtered from "
            f"{value('highpass_hz')} to "
            f"{value('lowpass_hz', in_hz)} with zero phase{_reference(sorting)} and "
            "made white; crossings of "
            f"{value('detect_threshold')} noise SD were clustered in ten "
            "principal components by "
            f"isosplit6{cite('isosplit')} and Gaussian mixtures, and spikes were found over the whole "
            "recording by template matching."
        )
    else:
        where = "each electrode by itself" if sorting.per_electrode else "each array"
        how = (
            f"Spikes were sorted with {value('sorter')} on {where} through SpikeInterface "
            f"{versions['spikeinterface']}{cite('spikeinterface')}."
        )
    return words(
        f"""
        {how} Units with an SNR of at least {value("good_snr")}, an ISI
        violation ratio (refractory period {value("refractory_ms", in_ms)}) of at
        most {value("good_isi_violations")} and a presence ratio of at
        least {value("good_presence")} were labelled good.
        """
    )


def _reference(sorting: Sorting) -> str:
    return "" if sorting.reference == "none" else f", referenced to the median over the {sorting.reference}"


def _responses(analysis: Analysis, cite: Citations, optimisers: Mapping[str, int]) -> str:
    value = SectionValues("analysis", analysis)
    smooth = (
        f"smoothed with a Gaussian of {value('smoothing_sigma_ms', in_ms)}"
        if analysis.smoothing_sigma_ms
        else "not smoothed"
    )
    named = ", ".join(f"{name} ({n} thread{'' if n == 1 else 's'})" for name, n in optimisers.items())
    proposed = f"Images were proposed by the optimisers {named}, as sessions name them." if named else ""
    return words(
        f"""
        {proposed} Spikes of the unit that drove the evolution ({value("unit_kind")}) were counted in
        1 ms bins and {smooth}; the response was the mean rate from {value("evoked_ms", span)}
        after image onset, the baseline that from {value("baseline_ms", span)}. An
        experiment counted when it had at least {value("min_blocks")} blocks, one thread in a texture space
        ({value("texture_spaces")})
        and one in an object space ({value("object_spaces")}), and a steady baseline. Rates
        were divided by the experiment's largest block mean over both threads. A thread succeeded when its
        best two blocks exceeded its first two (two-sample t-test over presentations, p <
        {value("success_p")}){cite("study")}.
        """
    )


def _dynamics(analysis: Analysis, seed: int, cite: Citations) -> str:
    value = SectionValues("analysis", analysis)
    return words(
        f"""
        Late blocks were the last {value("late_fraction", percent)} of an
        experiment. Object minus texture
        rates there were tested in time bins by a sign-flip cluster test{cite("cluster")} over means of
        recording sites ({value("n_permutations")} flips, bins below p =
        {value("cluster_p")}, family-wise p <
        {value("lead_p")} in each direction, at least
        {value("min_experiments")} sites).
        A crossover was reported where texture led significantly and object after it: where the mean
        difference passed zero, with an interval of {value("interval", percent)} from
        {value("min_interval_experiments")} sites on. Other p values of a panel were adjusted after
        Benjamini and Hochberg{cite("fdr")} (q <
        {value("fdr")}). Intervals came from
        {value("n_bootstrap")} draws of a bootstrap over animals, sites, experiments and presentations
        (seed {link("setting-seed", str(seed))}).
        """
    )


def _stopped(encoding: Encoding) -> str:
    """Words for the units that got no more permutations than the first."""
    if encoding.n_permutations <= FIRST_PERMUTATIONS:
        return ""
    level = HOPELESS * encoding.index_level
    return f" (by the first {FIRST_PERMUTATIONS} in units whose p was then above {level:g})"


def _encoding(encoding: Encoding, cite: Citations) -> str:
    value = SectionValues("encoding", encoding)
    permutations = (
        f" Significance was told by {value('n_permutations')} permutations of "
        f"responses within blocks{_stopped(encoding)}, adjusted over units{cite('fdr')} (q < "
        f"{value('fdr')})."
        if encoding.n_permutations
        else ""
    )
    return words(
        f"""
        For units ({value("unit_kinds")}), responses in windows of
        {value("width_ms", in_ms)} every
        {value("step_ms", in_ms)} from
        {value("window_ms", span)} were predicted from the latents of each space by
        ridge regression with {value("n_folds")}-fold nested cross-validation
        ({value("n_alphas")} penalties), and the
        share of variance within blocks that is linear in the latents was estimated by restricted maximum
        likelihood{cite("reml")}.{permutations} The alignment index was the object's minus the texture's
        share over their sum.
        """
    )


def _tuning(tuning: Tuning, analysis: Analysis, hessian: Hessian, cite: Citations) -> str:
    value, response = SectionValues("tuning", tuning), SectionValues("analysis", analysis)
    hessian_value = SectionValues("hessian", hessian)
    return words(
        f"""
        In tuning sessions, images varied along eigenvectors of the Hessian of image distance in the latents
        (metric where frames were computed: {hessian_value("metric")}){cite("hessian", "study")}.
        A unit's response
        to an axis, by signed image distance from the evolved image, was its mean rate from
        {response("evoked_ms", span)}. An axis was tuned when a one-way ANOVA over
        distances of single presentations gave p < {value("anova_p")}. A Gaussian
        process (constant times radial basis function, plus white noise) was fitted to single presentations
        (best of {value("gp_restarts")} restarts), and its mean was called
        monotonic, unimodal or bell-shaped. Shares of axes that reach
        {value("reach", "±{:g}".format)} were compared between sessions after successful (p <
        {value("success_p")}) and failed evolutions by two-proportion z tests and,
        as axes of a session are not independent, by
        {value("n_permutations")} permutations of success over sessions; intervals
        are Wilson's ({value("interval", percent)}).
        """
    )


def _prototypes(prototypes: Prototypes, cite: Citations) -> str:
    value = SectionValues("prototypes", prototypes)
    measure = prototypes.measure
    source = next((key for key in ("efficientnet", "lpips") if measure.startswith(key)), None)
    mask = {
        "none": "all places alike",
        "centre": "weighted to the centre",
        "rings": "in rings around the centre",
    }
    return words(
        f"""
        Each thread is represented by a prototype ({value("prototype")} image).
        The distance of an experiment's two prototypes ({value("measure")}{cite(source) if source else ""}, {
            value("mask", mask.__getitem__)
        }) was related to the difference of the
        responses to them by Pearson's and Spearman's correlation, and compared with distances between
        prototypes of different experiments of the same area by a permutation test of the pairing, in which
        experiments of one unit are exchanged together.
        """
    )
