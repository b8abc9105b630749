"""References of the methods text, and links of its values and numbers to where they stand on the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evoalign.settings import Section

# Key -> text.
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
    "hessian": "Wang, B. & Ponce, C. R. The geometry of deep generative image models and its applications. "
    "Int. Conf. Learn. Represent. (2021).",
    "efficientnet": "Tan, M. & Le, Q. V. EfficientNet: rethinking model scaling for convolutional "
    "neural networks. Proc. 36th Int. Conf. Mach. Learn. (2019).",
    "lpips": "Zhang, R., Isola, P., Efros, A. A., Shechtman, E. & Wang, O. The unreasonable effectiveness of "
    "deep features as a perceptual metric. Proc. IEEE Conf. Comput. Vis. Pattern Recognit. (2018).",
}

# Around the address and the words of a link, within a text: characters of no script.
_BEGIN, _MIDDLE, _END = "\ue000", "\ue001", "\ue002"
_LINK = re.compile(f"{_BEGIN}([^{_MIDDLE}]*){_MIDDLE}([^{_END}]*){_END}")


def link(anchor: str, text: str) -> str:
    """Mark words as leading to a place of the page."""
    return f"{_BEGIN}{anchor}{_MIDDLE}{text}{_END}"


def in_ms(number: float) -> str:
    """Write a duration as in '50 ms'."""
    return f"{number:g} ms"


def in_hz(number: float) -> str:
    """Write a frequency as in '250 Hz'."""
    return f"{number:g} Hz"


def to(ends: tuple[int, int]) -> str:
    """Write a range as in '101 to 199'."""
    return f"{ends[0]} to {ends[1]}"


def _plain(setting: Any) -> str:
    if isinstance(setting, tuple):
        return ", ".join(map(str, setting))
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


@dataclass(frozen=True)
class SectionValues:
    """Writes the values of a section's settings as words that lead to the setting.

    Attributes
    ----------
    name : str
        Of the section, as 'analysis'.
    section : Section
    """

    name: str
    section: Section

    def __call__(self, key: str, write: Callable[[Any], str] = _plain) -> str:
        """Return the value of a setting, written by a function, with its link."""
        return link(f"setting-{self.name}.{key}", write(getattr(self.section, key)))


@dataclass(frozen=True)
class Piece:
    """Words of a paragraph, and the place that they lead to; '' for none."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of the methods, with the references that it names as numbers.

    Attributes
    ----------
    title : str
    marked : str
        Its text with the marks of `link`.
    """

    title: str
    marked: str

    @property
    def text(self) -> str:
        """The text without links, to be pasted."""
        return _LINK.sub(r"\2", self.marked)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The text in pieces, each with or without a link."""
        parts = _LINK.split(self.marked)
        plain, anchors, linked = parts[::3], parts[1::3], parts[2::3]
        pieces = [Piece(plain[0], "")]
        for anchor, text, after in zip(anchors, linked, plain[1:], strict=True):
            pieces += [Piece(text, anchor), Piece(after, "")]
        return pieces


class Citations:
    """Numbers references as they are named."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, *keys: str) -> str:
        """Return the numbers of references in brackets, each leading to its place in the list."""
        for key in keys:
            if key not in self.keys:
                self.keys.append(key)
        numbers = [self.keys.index(key) + 1 for key in keys]
        return f" [{', '.join(link(f'reference-{number}', str(number)) for number in numbers)}]"

    @property
    def references(self) -> Sequence[str]:
        """Texts of the references in the order in which they are named."""
        return [REFERENCES[key] for key in self.keys]
