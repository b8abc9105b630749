"""Shown images: read from a folder or a file when asked for, and written one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from hdmf.data_utils import AbstractDataChunkIterator, DataChunk
from PIL import Image
from pynwb.base import ImageReferences, Images
from pynwb.image import GrayscaleImage, RGBAImage, RGBImage

from evoalign.errors import InputError
from evoalign.events.distinct_names import IMAGE_SUFFIXES, image_files
from evoalign.nwb.contents import Pixels
from evoalign.nwb.names import HINT, IMAGE_COLLECTION
from evoalign.nwb.objects import is_zarr

# A picture bomb unpacks to far more than this; a screen of 8K has 33 million pixels.
MAX_PIXELS = 50_000_000
FORMATS = ("PNG", "BMP", "JPEG", "TIFF", "GIF")
_KINDS = {1: GrayscaleImage, 3: RGBImage, 4: RGBAImage}
WHITE = {"I;12": 4095}  # of PIL's raw modes whose numbers are narrower than the 16 bits they are read to
SIXTEEN_BIT_WHITE = 65_535
PHOTOMETRIC = 262  # tag of TIFF: 0 = the number 0 is white
# Modes of PIL that are kept as they are; others become RGB.
_MODES = ("L", "RGB", "RGBA")
_READ_MODES = (*_MODES, "1", "LA", "P", "PA", "CMYK", "YCbCr", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


class ImageFolder(Mapping[str, Pixels]):
    """Images of a folder and the folders in it, by name without suffix.

    Parameters
    ----------
    folder : path
        Where the images lie.
    names : iterable of str
        Names to offer, in the order wanted; each must be there.

    Raises
    ------
    InputError
        An image is missing, or a name stands twice.

    Notes
    -----
    8-bit images are kept; 12- and 16-bit grey is scaled to 8 bits, white to white; colours of 16
    bits, and images of 32-bit or floating-point numbers, are refused.
    """

    def __init__(self, folder: str | PathLike[str], names: list[str]) -> None:
        listed_files = image_files(folder, IMAGE_SUFFIXES)
        for name in names:
            if len(listed_files.get(name, [])) > 1:
                where = " and ".join(map(str, listed_files[name][:2]))
                raise InputError(f"image '{name}' stands twice", where, "keep one of them")
        files = {name: listed_files[name][0] for name in names if name in listed_files}
        missing = [name for name in names if name not in files]
        if missing:
            hint = "name the folder that holds them in the column images, and the files as the log does"
            raise InputError(f"{len(missing)} images are missing, the first is '{missing[0]}'", folder, hint)
        self._files = {name: files[name] for name in names}

    def __getitem__(self, name: str) -> Pixels:
        file = self._files[name]
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_picture(image, file)
                return _eight_bits(image, file)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"the image cannot be read: {error}", file, "export the image again") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _check_picture(image: Image.Image, file: Path) -> None:
    """Refuse what is too large, or no still picture of grey or colour; pixels are not read."""
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} x {image.height} pixels, more than {MAX_PIXELS // 10**6} million"
        raise InputError(f"the image has {size}", file, "save it as it was shown")
    if image.mode not in _READ_MODES:
        raise InputError(f"the image is of mode {image.mode}", file, "save it as 8-bit PNG, grey or RGB")


def _eight_bits(image: Image.Image, file: Path) -> Pixels:
    """Return pixels of 8 bits: grey of more bits is scaled, what has no known white is refused."""
    stored = _stored_mode(image)
    if not image.mode.startswith("I") and ";16" in stored:
        # PIL would keep the upper byte alone.
        problem = "the image holds 16 bits a colour, of which 8 can be read"
        raise InputError(problem, file, "save it as 8-bit PNG as it was shown")
    if image.mode in _MODES:
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        white = WHITE.get(stored, SIXTEEN_BIT_WHITE)
        grey = np.round(np.asarray(image).astype(np.float64) * 255 / white).astype(np.uint8)
        # PIL turns grey whose 0 is white around, but not of 16 bits.
        tags = getattr(image, "tag_v2", {})
        return np.asarray(255 - grey if tags.get(PHOTOMETRIC) == 0 else grey, np.uint8)
    if image.mode in ("I", "F"):
        kind = "32-bit whole numbers" if image.mode == "I" else "floating-point numbers"
        raise InputError(
            f"the image holds {kind}, whose white is not known", file, "save it as 8-bit PNG as it was shown"
        )
    return np.asarray(image.convert("RGB"))


def _stored_mode(image: Image.Image) -> str:
    """How the pixels lie in the file, by PIL's name of it, as ``RGB;16B``; '' where it does not say."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0].args if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


class StoredImages(Mapping[str, Pixels]):
    """Images of an NWB file, read when asked for.

    Parameters
    ----------
    path : path
        The file.
    collection : str
        Path of the `Images` object in it.
    names : iterable of str
        In their order.
    """

    def __init__(self, path: str | PathLike[str], collection: str, names: list[str]) -> None:
        self._path, self._collection, self._names = Path(path), collection, dict.fromkeys(names)

    def __getitem__(self, name: str) -> Pixels:
        if name not in self._names:
            raise KeyError(name)
        location = f"{self._collection}/{name}"
        try:
            if is_zarr(self._path):
                return np.asarray(zarr.open_array(str(self._path), mode="r", path=location)[...])
            with h5py.File(self._path, "r") as file:
                return np.asarray(file[location][...])
        except Exception as error:  # the libraries raise almost anything on damaged bytes
            raise InputError(
                f"the image cannot be read: {error}", f"{self._path}, {location}", HINT
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _OneImage(AbstractDataChunkIterator):
    """An image as one chunk that is loaded when it is written: all together may not fit in memory."""

    def __init__(self, images: Mapping[str, Pixels], name: str, pixels: Pixels) -> None:
        self._images, self._name, self._shape, self._dtype = images, name, pixels.shape, pixels.dtype
        self._done = False

    def __iter__(self) -> _OneImage:
        return self

    def __next__(self) -> DataChunk:
        if self._done:
            raise StopIteration
        self._done = True
        selection = tuple(slice(0, n) for n in self._shape)
        return DataChunk(data=self._images[self._name], selection=selection)

    def recommended_chunk_shape(self) -> tuple[int, ...]:
        return self._shape

    def recommended_data_shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        return self._dtype

    @property
    def maxshape(self) -> tuple[int, ...]:
        return self._shape


def image_collection(images: Mapping[str, Pixels], pack: Any) -> Images:
    """Return each unique image once, as an ordered collection under its name.

    Raises
    ------
    InputError
        An image cannot be read, is not 8-bit, or its name cannot be a name in NWB.
    """
    nwb_images = []
    for name in images:
        if "/" in name or ":" in name:
            raise InputError(f"image name '{name}' holds '/' or ':'", "images", "rename the image")
        pixels = images[name]
        n_colours = 1 if pixels.ndim == 2 else pixels.shape[-1]
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or n_colours not in _KINDS:
            problem = f"image '{name}' is {pixels.dtype} {pixels.shape}, not 8-bit grey or RGB"
            raise InputError(problem, "images", "save the images as 8-bit PNG")
        data = pack(_OneImage(images, name, pixels))
        nwb_images.append(
            _KINDS[n_colours](name=name, data=data, description="as shown: [row, column, colour]")
        )
    return Images(
        name=IMAGE_COLLECTION,
        description="each image that was shown, once; order_of_images numbers them from 0",
        images=nwb_images,
        order_of_images=ImageReferences(name="order_of_images", data=nwb_images),
    )
