"""Continuous channels of Plexon files as streams, and what kind of signal they carry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.plexon.runs import MAX_LOSS, ChannelGroup, Runs, group_channels

ROLES = ("broadband", "highpass", "field", "analog")
BROADBAND_HZ = 20_000  # a neural signal at this rate or above holds spikes
FIRST_ANALOG = 10_000  # AI01 is channel 10001: analog inputs never share a number with an electrode
PREFIX_ROLE = {"WB": "broadband", "SPKC": "highpass", "SPK": "highpass", "FP": "field", "LFP": "field",
               "AD": "neural", "AI": "analog", "AIF": "analog", "AUXAI": "analog"}  # fmt: skip
NOT_NEURAL = re.compile(r"photo|diode|pupil|eye|joy|lick|sync|ttl|audio|mic|reward|pulse", re.IGNORECASE)


@dataclass(frozen=True)
class Continuous:
    """A continuous channel with samples.

    Attributes
    ----------
    role : str
        'broadband', 'highpass', 'field' or 'analog'.
    number : int
        Channel number: that of the spike channel of the same electrode; from
        10001 for analog inputs.
    name : str
    rate_hz, gain_uv : float
        Sampling rate; microvolts per count.
    runs : Runs
        Where its samples lie in `samples`.
    samples : int16 array
        The whole file, or the channel's own.
    """

    role: str
    number: int
    name: str
    rate_hz: float
    gain_uv: float
    runs: Runs
    samples: np.ndarray


def named_role(name: str) -> str:
    """Return the role that Plexon's own names tell (``WB001``, ``AI01``); '' for other names."""
    match = re.match(r"[A-Za-z]+", name)
    return PREFIX_ROLE.get(match[0].upper() if match else "", "")


def role_of(name: str, rate_hz: float, spike_channel: int = 0) -> str:
    """Return what a channel carries, by its name, its rate and the header's link to a spike channel.

    OmniPlex names its channels by source: WB wideband, SPKC continuous spike
    band, FP field potential, AI analog inputs (also AIF). AD is what the older
    MAP system calls its continuous neural channels. A channel of any other
    name is neural when the header links it to a spike channel, or when it is
    sampled like spikes (>= 20 kHz) and its name does not mention a photodiode,
    an eye or the like; else it is an analog input.
    """
    role = named_role(name)
    if not role and not NOT_NEURAL.search(name) and (spike_channel > 0 or rate_hz >= BROADBAND_HZ):
        role = "neural"
    if role in ("neural", "broadband", "highpass"):
        fast = "highpass" if role == "highpass" else "broadband"
        return fast if rate_hz >= BROADBAND_HZ else "field"
    return role or "analog"


def number_of(name: str, role: str, place: int, spike_channel: int = 0) -> int:
    """Return the channel number: the linked spike channel, the number in the name, or the place (from 1)."""
    digits = re.search(r"(\d+)\D*$", name)
    number = int(digits[1]) if digits and 0 < int(digits[1]) < FIRST_ANALOG else place
    if role == "analog":
        return FIRST_ANALOG + number
    return spike_channel if spike_channel > 0 else number


def name_streams(channels: Sequence[Continuous]) -> dict[str, list[Continuous]]:
    """Put channels into streams of one role and one rate, in the order of their numbers.

    A spike-band copy is the 'broadband' stream when nothing wider was saved.
    Of several rates the highest keeps the plain name; the others carry theirs
    (``analog_1000``).

    Where the names of a stream hold one number twice (A1, B1), its channels
    are numbered by their places.

    Raises
    ------
    InputError
        Two channels of a stream have one name.
    """
    has_broadband = any(channel.role == "broadband" for channel in channels)
    by_role: dict[str, dict[float, list[Continuous]]] = {}
    for channel in channels:
        role = "broadband" if channel.role == "highpass" and not has_broadband else channel.role
        by_role.setdefault(role, {}).setdefault(channel.rate_hz, []).append(channel)
    streams: dict[str, list[Continuous]] = {}
    for role in sorted(by_role, key=ROLES.index):
        for rank, rate in enumerate(sorted(by_role[role], reverse=True)):
            name = role if rank == 0 else f"{role}_{rate:g}"
            streams[name] = sorted(_distinct(by_role[role][rate], role), key=lambda c: c.number)
    return streams


def _distinct(channels: list[Continuous], role: str) -> list[Continuous]:
    """Channels of a stream with numbers that differ."""
    if len({c.number for c in channels}) == len(channels):
        return channels
    label, count = Counter(c.name for c in channels).most_common(1)[0]
    if count > 1:
        hint = "rename the channels in a copy of the file"
        raise InputError(f"{count} channels of the stream '{role}' are called '{label}'", "", hint)
    first = FIRST_ANALOG if role == "analog" else 0
    return [replace(channel, number=first + place) for place, channel in enumerate(channels, 1)]


def split_ragged(
    streams: dict[str, list[Continuous]], clock_hz: float, max_loss: float = MAX_LOSS
) -> dict[str, tuple[list[Continuous], ChannelGroup]]:
    """Split each stream into parts whose channels share segments; see `group_channels`."""
    streams_by_part: dict[str, tuple[list[Continuous], ChannelGroup]] = {}
    for name, channels in streams.items():
        groups = group_channels([c.runs for c in channels], clock_hz / channels[0].rate_hz, max_loss)
        for rank, group in enumerate(groups):
            members = [channels[position] for position in group.members]
            streams_by_part[name if rank == 0 else f"{name}_part{rank + 1}"] = (members, group)
    return streams_by_part
