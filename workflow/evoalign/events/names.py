"""Image names: the study's convention, and other labs' by a regular expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from evoalign.errors import InputError

# docs/methods.md section 1: block{BBB}_thread{TTT}_gen_gen{GGG}_{NNNNNN}; references carry _nat.
_EVOLVED = re.compile(
    r"block(?P<block>\d{1,9})_thread(?P<thread>\d{1,9})"
    r"(?:_gen)?(?:_gen(?P<generation>\d{1,9}))?(?:_(?P<index>\d{1,9}))?(?P<reference>_nat\w*)?"
)
# docs/methods.md section 7: {class|noise}_eig{K}_lin{D}, older _exp{E}_lin{D}.
_AXIS = re.compile(
    r"(?P<subspace>class|noise)_(?P<kind>eig|exp)(?P<axis>\d{1,9})_lin(?P<distance>[+-]?\d{1,9}(?:\.\d{1,15})?)"
)
_SUFFIX = re.compile(r"\.(?:bmp|png|jpe?g|tiff?|gif)$", re.IGNORECASE)
_FOLDER = re.compile(r"^.*[\\/]")
_HINT = "correct events.image_pattern in the configuration"


@dataclass(frozen=True)
class ImageName:
    """Parts of the name of an evolved image.

    Attributes
    ----------
    block, thread, generation, index : int
        -1 where the name does not hold it.
    reference : bool
        A natural reference image.
    """

    block: int
    thread: int
    generation: int
    index: int
    reference: bool


@dataclass(frozen=True)
class AxisName:
    """Parts of the name of an image of a Hessian tuning session.

    Attributes
    ----------
    subspace : str
        'class' or 'noise'.
    axis : int
        Number of the eigenvector, by falling eigenvalue.
    distance : float
        Signed image distance from the centre (``lin``).
    """

    subspace: str
    axis: int
    distance: float


def image_stem(name: str) -> str:
    r"""Return an image's name without folders and without its suffix.

    Examples
    --------
    >>> image_stem(r"N:\\Stimuli\\day\\block027_thread000_gen_gen026_001699.bmp")
    'block027_thread000_gen_gen026_001699'
    """
    return _SUFFIX.sub("", _FOLDER.sub("", name.strip()))


def parse_image_name(name: str, pattern: str = "") -> ImageName | None:
    """Read block, thread, generation and index from an image's name.

    Parameters
    ----------
    name : str
        Image name, with or without folders and suffix.
    pattern : str
        Regular expression with the groups ``block``, ``thread`` and ``index``,
        searched in the name; ``generation`` and ``reference`` (filled: a
        reference) may be there. '' = the study's own names.

    Returns
    -------
    ImageName or None
        None when the name is none of an evolution: a tuning session's, or a
        reference that belongs to no thread is recognised by its ``_nat``, with
        block and thread -1.

    Raises
    ------
    InputError
        The pattern is no regular expression, lacks a group, or a group holds
        no number.

    Examples
    --------
    >>> parse_image_name("block003_thread001_gen_gen002_000123")
    ImageName(block=3, thread=1, generation=2, index=123, reference=False)
    """
    stem = image_stem(name)
    if pattern:
        match = image_regex(pattern).search(stem)
        return _from_groups(match, pattern) if match else None
    match = _EVOLVED.fullmatch(stem)
    if match:
        return _from_groups(match, pattern)
    if "_nat" in stem:
        inside = _EVOLVED.match(stem)
        groups = inside.groupdict() if inside else {}
        return ImageName(_number(groups, "block"), _number(groups, "thread"), -1, -1, True)
    return None


def parse_axis_name(name: str) -> AxisName | None:
    """Read subspace, eigenvector and distance from a tuning session's image name.

    Examples
    --------
    >>> parse_axis_name("noise_eig12_lin-0.24.jpg")
    AxisName(subspace='noise', axis=12, distance=-0.24)
    """
    match = _AXIS.fullmatch(image_stem(name))
    if match is None:
        return None
    return AxisName(match["subspace"], int(match["axis"]), float(match["distance"]))


@lru_cache(maxsize=16)
def image_regex(pattern: str) -> re.Pattern[str]:
    """Compile a lab's own pattern; an InputError says what is wrong with it."""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"no regular expression: {error}", f"image_pattern '{pattern}'", _HINT) from None
    lacking = [group for group in ("block", "thread", "index") if group not in compiled.groupindex]
    if lacking:
        raise InputError(f"the pattern lacks the groups {lacking}", f"image_pattern '{pattern}'", _HINT)
    return compiled


def _from_groups(match: re.Match[str], pattern: str) -> ImageName:
    groups = match.groupdict()
    try:
        return ImageName(
            block=_number(groups, "block"),
            thread=_number(groups, "thread"),
            generation=_number(groups, "generation"),
            index=_number(groups, "index"),
            reference=bool(groups.get("reference")),
        )
    except ValueError:
        raise InputError(
            f"a group of the pattern holds no number in '{match.string}': {groups}",
            f"image_pattern '{pattern}'",
            _HINT,
        ) from None


def _number(groups: dict[str, str | None], group: str) -> int:
    text = groups.get(group)
    return -1 if text is None else int(text)
