"""Stimulus logs, event words and the photodiode: what was shown, and when."""

from evoalign.events.align import Alignment, align
from evoalign.events.behavior import read_behavior, trials
from evoalign.events.codes import attach_latents, check_images, read_codes, write_codes
from evoalign.events.log import read_log
from evoalign.events.names import AxisName, ImageName, image_stem, parse_axis_name, parse_image_name
from evoalign.events.photodiode import Photodiode, photodiode_crossings
from evoalign.events.present import find_photodiode, present

__all__ = [
    "Alignment",
    "AxisName",
    "ImageName",
    "Photodiode",
    "align",
    "attach_latents",
    "check_images",
    "find_photodiode",
    "image_stem",
    "parse_axis_name",
    "parse_image_name",
    "photodiode_crossings",
    "present",
    "read_behavior",
    "read_codes",
    "read_log",
    "trials",
    "write_codes",
]
