"""Forms in which the report holds a figure: as vectors, and coarser where room is short."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

# Coordinates of an SVG, within its tags: neither texts nor scales are touched.
_COORDINATES = re.compile(r'(?<= )(d|x|y|x1|y1|x2|y2|width|height|points)="([^":]*)"')
_DECIMAL = re.compile(r"-?\d+\.\d+")
_BITMAP = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_HEAD = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>", re.DOTALL)
# What a data URL may not hold as it is.
_ESCAPES = {"%": "%25", "#": "%23", "<": "%3C", ">": "%3E", '"': "%22"}


@dataclass(frozen=True)
class Form:
    """How finely a figure is held.

    Attributes
    ----------
    decimals : int
        Of coordinates, in points (1/72 inch).
    shrink : int
        Pixels of bitmaps in the figure, as images and rasters, that become one, along each side.
    quality : int
        Of these bitmaps where they are held with loss, 0 to 100.
    page_shrink : int
        Pixels of the whole figure that become one, where it is held as a bitmap; 0: it never is.
    """

    decimals: int
    shrink: int
    quality: int
    page_shrink: int


# A bitmap of more colours is a photograph, and is held with loss.
PLOT_COLOURS = 300
# A coordinate is off by at most 0.005 points, 0.05 in the others: a tenth of a line's width.
FORMS = (Form(2, 1, 85, 0), Form(1, 2, 60, 0), Form(1, 3, 40, 3), Form(1, 4, 35, 4))


def held(png: Path, form: Form) -> str:
    """Return a figure as a data URL.

    Parameters
    ----------
    png : path
        Its bitmap; the SVG beside it is taken where there is one.
    form : Form
        The smaller one of vectors and bitmap is taken, where `form` allows a bitmap.
    """
    vectors = png.with_suffix(".svg")
    if not vectors.exists():
        return _webp(png, form.page_shrink or form.shrink, form.quality, lossless=form.shrink == 1)
    svg = compact(vectors.read_text(encoding="utf-8"), form)
    for character, escape in _ESCAPES.items():
        svg = svg.replace(character, escape)
    drawing = f"data:image/svg+xml,{svg}"
    if not form.page_shrink:
        return drawing
    return min(drawing, _webp(png, form.page_shrink, form.quality), key=packed_size)


def packed_size(text: str) -> int:
    """Bytes that a text takes in the page, which holds it deflated and in base64."""
    return -(-len(zlib.compress(text.encode(), 6)) * 4 // 3)


def compact(svg: str, form: Form) -> str:
    """Return the same drawing in fewer characters: coordinates rounded, bitmaps as WebP."""
    svg = _HEAD.sub("", svg)
    svg = _BITMAP.sub(lambda found: _recoded(base64.b64decode(found[1]), form), svg)
    return _COORDINATES.sub(
        lambda found: f'{found[1]}="{_rounded(" ".join(found[2].split()), form.decimals)}"', svg
    )


def _rounded(numbers: str, decimals: int) -> str:
    return _DECIMAL.sub(lambda found: f"{round(float(found[0]), decimals) + 0:g}", numbers)


def _recoded(png: bytes, form: Form) -> str:
    """A bitmap in an SVG, without loss where that is smaller: plots are, photographs are not."""
    with Image.open(io.BytesIO(png)) as opened:
        bitmap = opened.convert("RGBA")
    # Colours that nobody sees must not leak out of transparent pixels.
    smaller = bitmap.convert("RGBa").reduce(form.shrink).convert("RGBA")
    if bitmap.getcolors(PLOT_COLOURS) is None:
        content = _encoded(smaller, quality=form.quality, method=2)
    else:
        # Colours blend into new ones as pixels do: a map may be smallest as it is.
        content = min(
            (_encoded(each, lossless=True, quality=30, method=1) for each in (bitmap, smaller)), key=len
        )
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _webp(png: Path, shrink: int, quality: int, lossless: bool = False) -> str:
    with Image.open(png) as bitmap:
        page = bitmap.convert("RGB").reduce(shrink)
    # What every browser has shown since 2020, in half the bytes of a PNG.
    options = {"lossless": True, "quality": 40, "method": 2} if lossless else {"quality": quality}
    return f"data:image/webp;base64,{base64.b64encode(_encoded(page, **options)).decode()}"


def _encoded(bitmap: Image.Image, **options: bool | int) -> bytes:
    content = io.BytesIO()
    bitmap.save(content, "webp", **options)
    return content.getvalue()


def share_room(bitmaps: Sequence[Path], room: float) -> list[str]:
    """Return the figures of one session so that they take no more than their room.

    All are as fine as can be where that fits. Else all are as coarse as can be,
    the last ones are left out where even that does not fit, and what room there
    is then goes to the first ones, which get finer.

    Parameters
    ----------
    bitmaps : sequence of path
        In the order of their weight for a reader.
    room : float
        Bytes of the page, as `packed_size` counts them.

    Returns
    -------
    list of str
        A data URL each; '' for those that are left out.
    """
    # Vectors deflate to a quarter at best: what is far too large need not be tried.
    if sum(map(_bytes, bitmaps)) / 8 <= room:
        finest = [held(png, FORMS[0]) for png in bitmaps]
        if sum(map(packed_size, finest)) <= room:
            return finest
    sources = [held(png, FORMS[-1]) for png in bitmaps]
    sizes = [packed_size(source) for source in sources]
    for place in reversed(range(len(bitmaps))):
        if sum(sizes) > room:
            sources[place], sizes[place] = "", 0
    for form in reversed(FORMS[:-1]):
        for place, png in enumerate(bitmaps):
            _refine(png, form, place, sources, sizes, room)
    return sources


def _refine(png: Path, form: Form, place: int, sources: list[str], sizes: list[int], room: float) -> None:
    """Hold a figure in a finer form, in place, where that fits."""
    left = room - sum(sizes) + sizes[place]
    # A finer form takes about twice as much: with little room left it need not be tried.
    if not sources[place] or left < 1.2 * sizes[place]:
        return
    finer = held(png, form)
    size = packed_size(finer)
    if size <= left:
        sources[place], sizes[place] = finer, size


def _bytes(png: Path) -> int:
    vectors = png.with_suffix(".svg")
    return (vectors if vectors.exists() else png).stat().st_size
