"""Methods of a study, from the settings and versions that it was run with, ready to paste.

Third person and past tense, as in a paper; nothing is said of what was not
done. The text is given away under CC0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evoalign.analysis.settings import Analysis, Encoding
from evoalign.events.settings import Events
from evoalign.figures.captions import percent, span
from evoalign.figures.panels import words
from evoalign.sorting.settings import Sorting

REFERENCES = {
    "study": "Wang, B. & Ponce, C. R. Neuronal tuning aligns dynamically with object and texture manifolds "
    "across the visual hierarchy. Nat. Neurosci. (2026). doi:10.1038/s41593-026-02207-1",
    "snakemake": "Mölder, F. et al. Sustainable data analysis with Snakemake. F1000Research 10, 33 (2021). "
    "doi:10.12688/f1000research.29032.2",
    "spikeinterface": "Buccino, A. P. et al. SpikeInterface, a unified framework for spike sorting. eLife 9, "
    "e61834 (2020). doi:10.7554/eLife.61834",
    "isosplit": "Chung, J. E. et al. A fully automated approach to spike sorting. Neuron 95, 1381-1394 "
    "(2017). doi:10.1016/j.neuron.2017.08.030",
    "neo": "Garcia, S. et al. Neo: an object model for handling electrophysiology data in multiple "
    "formats. Front. Neuroinform. 8, 10 (2014). doi:10.3389/fninf.2014.00010",
    "nwb": "Rübel, O. et al. The Neurodata Without Borders ecosystem for neurophysiological data "
    "science. eLife 11, e78362 (2022). doi:10.7554/eLife.78362",
    "fdr": "Benjamini, Y. & Hochberg, Y. Controlling the false discovery rate. J. R. Stat. Soc. B 57, "
    "289-300 (1995). doi:10.1111/j.2517-6161.1995.tb02031.x",
    "cluster": "Maris, E. & Oostenveld, R. Nonparametric statistical testing of EEG- and MEG-data. J. "
    "Neurosci. Methods 164, 177-190 (2007). doi:10.1016/j.jneumeth.2007.03.024",
    "reml": "Patterson, H. D. & Thompson, R. Recovery of inter-block information when block sizes are "
    "unequal. Biometrika 58, 545-554 (1971). doi:10.1093/biomet/58.3.545",
    "numpy": "Harris, C. R. et al. Array programming with NumPy. Nature 585, 357-362 (2020). "
    "doi:10.1038/s41586-020-2649-2",
    "scipy": "Virtanen, P. et al. SciPy 1.0. Nat. Methods 17, 261-272 (2020). doi:10.1038/s41592-019-0686-2",
    "torch": "Paszke, A. et al. PyTorch: an imperative style, high-performance deep learning library. Adv. "
    "Neural Inf. Process. Syst. 32 (2019).",
}
LICENCE = "This text and its references may be copied freely, without credit, under CC0 1.0."


class StudySettings(Protocol):
    """The sections of the configuration that the text is written from."""

    events: Events
    sorting: Sorting
    analysis: Analysis
    encoding: Encoding
    seed: int


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of the methods, with the references that it names as numbers."""

    title: str
    text: str


@dataclass(frozen=True)
class Methods:
    """Paragraphs, and the references in the order in which they are named."""

    paragraphs: Sequence[Paragraph]
    references: Sequence[str]
    licence: str = LICENCE


class _Citations:
    """Numbers references as they are named."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, *keys: str) -> str:
        for key in keys:
            if key not in self.keys:
                self.keys.append(key)
        return f" [{', '.join(str(self.keys.index(key) + 1) for key in keys)}]"


def methods(
    config: StudySettings,
    versions: Mapping[str, str],
    formats: Iterable[str] = (),
    analysed: bool = True,
    encoded: bool = True,
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
    analysed, encoded : bool
        Whether experiments were pooled, and whether units were modelled.
    """
    cite = _Citations()
    named = sorted(set(formats))
    paragraphs = [Paragraph("Pipeline", _pipeline(versions, cite))]
    if named:
        paragraphs.append(
            Paragraph("Recordings and alignment", _alignment(config.events, named, cite, versions))
        )
        paragraphs.append(Paragraph("Spike sorting", _sorting(config.sorting, versions, cite)))
    if analysed:
        paragraphs.append(Paragraph("Responses and success", _responses(config.analysis, cite)))
        paragraphs.append(Paragraph("Dynamics", _dynamics(config.analysis, config.seed, cite)))
    if encoded:
        paragraphs.append(Paragraph("Encoding", _encoding(config.encoding, cite)))
    return Methods(paragraphs, [REFERENCES[key] for key in cite.keys])


def _pipeline(versions: Mapping[str, str], cite: _Citations) -> str:
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


def _alignment(events: Events, formats: Sequence[str], cite: _Citations, versions: Mapping[str, str]) -> str:
    from_neo = [name for name in formats if name not in ("blackrock", "plexon", "plx", "pl2")]
    neo = f", read with neo {versions['neo']}{cite('neo')} where it is no native format" if from_neo else ""
    first, last = events.onset_words
    added = f", {events.display_delay_ms:g} ms added for the display" if events.display_delay_ms else ""
    return words(
        f"""
        Recordings were in the formats {", ".join(formats)}{neo}; pauses kept their true length. Image
        presentations were found by event words {first} to {last} and matched to the behaviour computer's
        log; a robust line took the log's clock to the recording's. Image onset was the change of the
        photodiode at most {events.photodiode_max_delay_ms:g} ms after its word, where one was recorded;
        otherwise the word's time{added}. Sessions in which fewer than {percent(events.min_matched)} of
        presentations matched, or whose 99th percentile of clock residuals exceeded
        {events.max_residual_ms:g} ms, were
        refused.
        """
    )


def _sorting(sorting: Sorting, versions: Mapping[str, str], cite: _Citations) -> str:
    if sorting.sorter == "electrode":
        how = (
            f"Each electrode was sorted by itself: voltages were filtered from {sorting.highpass_hz:g} to "
            f"{sorting.lowpass_hz:g} Hz with zero phase{_reference(sorting)} and made white; crossings of "
            f"{sorting.detect_threshold:g} noise SD were clustered in ten principal components by "
            f"isosplit6{cite('isosplit')} and Gaussian mixtures, and spikes were found over the whole "
            "recording by template matching."
        )
    else:
        where = "each electrode by itself" if sorting.per_electrode else "each array"
        how = (
            f"Spikes were sorted with {sorting.sorter} on {where} through SpikeInterface "
            f"{versions['spikeinterface']}{cite('spikeinterface')}."
        )
    return words(
        f"""
        {how} Units with an SNR of at least {sorting.good_snr:g}, an ISI violation ratio (refractory
        period {sorting.refractory_ms:g} ms) of at most {sorting.good_isi_violations:g} and a presence
        ratio of at least {sorting.good_presence:g} were labelled good.
        """
    )


def _reference(sorting: Sorting) -> str:
    return "" if sorting.reference == "none" else f", referenced to the median over the {sorting.reference}"


def _responses(analysis: Analysis, cite: _Citations) -> str:
    smooth = (
        f"smoothed with a Gaussian of {analysis.smoothing_sigma_ms:g} ms"
        if analysis.smoothing_sigma_ms
        else "not smoothed"
    )
    return words(
        f"""
        Spikes of the unit that drove the evolution ({analysis.unit_kind}) were counted in 1 ms bins and
        {smooth}; the response was the mean rate from {span(analysis.evoked_ms)} after image onset, the
        baseline that from {span(analysis.baseline_ms)}. An experiment counted when it had at least
        {analysis.min_blocks} blocks, one thread in a texture space ({", ".join(analysis.texture_spaces)})
        and one in an object space ({", ".join(analysis.object_spaces)}), and a steady baseline. Rates
        were divided by the experiment's largest block mean over both threads. A thread succeeded when its
        best two blocks exceeded its first two (two-sample t-test over presentations, p <
        {analysis.success_p:g}){cite("study")}.
        """
    )


def _dynamics(analysis: Analysis, seed: int, cite: _Citations) -> str:
    return words(
        f"""
        Late blocks were the last {percent(analysis.late_fraction)} of an experiment. Object minus texture
        rates there were tested in time bins by a sign-flip cluster test{cite("cluster")} over means of
        recording sites ({analysis.n_permutations} flips, bins below p = {analysis.cluster_p:g},
        family-wise p < {analysis.lead_p:g} in each direction, at least {analysis.min_experiments} sites).
        A crossover was reported where texture led significantly and object after it: where the mean
        difference passed zero, with an interval of {percent(analysis.interval)} from
        {analysis.min_interval_experiments} sites on. Other p values of a panel were adjusted after
        Benjamini and Hochberg{cite("fdr")} (q < {analysis.fdr:g}). Intervals came from
        {analysis.n_bootstrap} draws of a bootstrap over animals, sites, experiments and presentations
        (seed {seed}).
        """
    )


def _encoding(encoding: Encoding, cite: _Citations) -> str:
    kinds = ", ".join(encoding.unit_kinds)
    permutations = (
        f" Significance was told by {encoding.n_permutations} permutations of responses within blocks, "
        f"adjusted over units{cite('fdr')} (q < {encoding.fdr:g})."
        if encoding.n_permutations
        else ""
    )
    return words(
        f"""
        For units ({kinds}), responses in windows of {encoding.width_ms} ms every {encoding.step_ms} ms
        from {span(encoding.window_ms)} were predicted from the latents of each space by ridge regression
        with {encoding.n_folds}-fold nested cross-validation ({encoding.n_alphas} penalties), and the
        share of variance within blocks that is linear in the latents was estimated by restricted maximum
        likelihood{cite("reml")}.{permutations} The alignment index was the object's minus the texture's
        share over their sum.
        """
    )
