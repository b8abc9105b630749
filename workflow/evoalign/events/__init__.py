"""Stimulus logs, event words and the photodiode: what was shown, and when."""

from evoalign.events.align import Alignment, align
from evoalign.events.align_session import align_session, find_photodiode
from evoalign.events.latent_codes import attach_latents, check_images, read_codes, write_codes
from evoalign.events.log import read_log
from evoalign.events.names import AxisName, ImageName, image_stem, parse_axis_name, parse_image_name
from evoalign.events.photodiode import Photodiode, photodiode_crossings
from evoalign.formats.monkeylogic.behavior import read_behavior, trials

__all__ = [
    "Alignment",
    "AxisName",
    "ImageName",
    "Photodiode",
    "align",
    "align_session",
    "attach_latents",
    "check_images",
    "find_photodiode",
    "image_stem",
    "parse_axis_name",
    "parse_image_name",
    "photodiode_crossings",
    "read_behavior",
    "read_codes",
    "read_log",
    "trials",
    "write_codes",
]
