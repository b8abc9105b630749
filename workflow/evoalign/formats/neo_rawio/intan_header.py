"""The header of Intan .rhd and .rhs files ("RHD2000/RHS2000 Data File Formats", Intan Technologies)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evoalign.formats.neo_rawio.checked import Header, refuse

RHD, RHS = 0xC6912702, 0xD69127AC
AMPLIFIER, AUXILIARY, SUPPLY, ADC, DIGITAL_IN, DIGITAL_OUT = range(6)  # signal types of RHD
DAC, RHS_DIGITAL_IN, RHS_DIGITAL_OUT = 4, 5, 6  # those of RHS that differ
MOST = 4096  # channels of a type: more than any controller has
PORT = 128  # channels of a port, at most


@dataclass(frozen=True)
class IntanChannel:
    """An enabled channel: native name (`A-003`), the user's name, and its bit or place in the port."""

    native: str
    name: str
    order: int


@dataclass
class IntanHeader:
    """What the header says.

    Attributes
    ----------
    system : str
        'Intan RHD' or 'Intan RHS'.
    version : tuple of int
    rate_hz : float
        Of the amplifiers.
    board_mode : int
        Of the evaluation board: the scale of its analog inputs.
    temperatures : int
        Temperature sensors saved.
    dc_saved : bool
        RHS: DC amplifiers were saved too.
    channels : dict of str to list of IntanChannel
        By what they are: amplifier, auxiliary, supply, adc, dac, digital_in, digital_out.
    notes : list of str
    size : int
        Bytes of the header.
    """

    system: str
    version: tuple[int, int]
    rate_hz: float
    board_mode: int = 0
    temperatures: int = 0
    dc_saved: bool = False
    channels: dict[str, list[IntanChannel]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def block(self) -> int:
        """Samples in a block of a file that holds all."""
        return 60 if self.system == "Intan RHD" and self.version[0] < 2 else 128

    def n(self, kind: str) -> int:
        """Return the number of channels of a kind."""
        return len(self.channels.get(kind, []))


def read_header(path: Path) -> IntanHeader:
    """Read a header.

    Raises
    ------
    InputError
        It is no header of Intan's, cut, or a number in it cannot be.
    """
    bytes_ = Header("Intan", path)
    magic = bytes_.whole("I")
    if magic not in (RHD, RHS):
        raise refuse("Intan", f"no Intan file: it starts with {magic:#x}", path, 0)
    stimulator = magic == RHS
    system = "Intan RHS" if stimulator else "Intan RHD"
    major, minor = bytes_.whole("h"), bytes_.whole("h")
    if not (0 < major < 10 and 0 <= minor < 100):
        raise refuse(system, f"version {major}.{minor} is unknown", path, 4)
    header = IntanHeader(system, (major, minor), float(bytes_.number("f")))
    if not 100 <= header.rate_hz <= 100_000:
        raise refuse(system, f"a sampling rate of {header.rate_hz:g} Hz", path, 8)
    if stimulator:
        # DSP and bandwidths, notch, impedance, settle and recovery, stimulation.
        bytes_.take(2 + 8 * 4 + 2 + 2 * 4 + 2 * 2 + 3 * 4)
        header.notes = [bytes_.qstring() for _ in range(3)]
        header.dc_saved = bool(bytes_.whole("h"))
        header.board_mode = bytes_.whole("h")
        bytes_.qstring()
    else:
        bytes_.take(2 + 6 * 4 + 2 + 2 * 4)
        header.notes = [bytes_.qstring() for _ in range(3)]
        header.temperatures = bytes_.whole("h") if (major, minor) >= (1, 1) else 0
        header.board_mode = bytes_.whole("h") if (major, minor) >= (1, 3) else 0
        if major >= 2:
            bytes_.qstring()
    if not 0 <= header.temperatures <= 64:
        raise refuse(system, f"{header.temperatures} temperature sensors", path, bytes_.at)
    _signal_groups(bytes_, header, stimulator)
    header.size = bytes_.at
    return header


def _signal_groups(bytes_: Header, header: IntanHeader, stimulator: bool) -> None:
    kinds = {0: "amplifier", 1: "auxiliary", 2: "supply", 3: "adc", 4: "digital_in", 5: "digital_out"}
    if stimulator:
        kinds = {0: "amplifier", 3: "adc", 4: "dac", 5: "digital_in", 6: "digital_out"}
    header.channels = {kind: [] for kind in kinds.values()}
    for _ in range(_count(bytes_, header.system, 64, "signal groups")):
        bytes_.qstring(), bytes_.qstring()
        enabled = bytes_.whole("h")
        n = _count(bytes_, header.system, MOST, "channels in a group")
        bytes_.whole("h")
        for _ in range(n if enabled else 0):
            native, custom = bytes_.qstring(), bytes_.qstring()
            order = bytes_.whole("h")
            bytes_.take(2)
            kind, saved = bytes_.whole("h"), bytes_.whole("h")
            # Chip, stream, scope trigger; impedance.
            bytes_.take((7 if stimulator else 6) * 2 + 8)
            if kind not in kinds:
                raise refuse(
                    header.system, f"signal type {kind} of channel {native[:20]}", bytes_.path, bytes_.at
                )
            if saved:
                header.channels[kinds[kind]].append(IntanChannel(native, custom, order))


def _count(bytes_: Header, system: str, most: int, what: str) -> int:
    at, n = bytes_.at, bytes_.whole("h")
    if not 0 <= n <= most:
        raise refuse(system, f"{n} {what}", bytes_.path, at)
    return n


def electrode_number(channel: IntanChannel, place: int) -> int:
    """Return the channel number of an amplifier channel: `A-000` is 1, `B-000` 129, whatever was disabled."""
    port, _, digits = channel.native.partition("-")
    if len(port) == 1 and "A" <= port <= "P" and digits.isascii() and digits.isdigit() and int(digits) < PORT:
        return (ord(port) - ord("A")) * PORT + int(digits) + 1
    return place + 1


def adc_scale(header: IntanHeader) -> tuple[float, float]:
    """Return microvolts per count and at count 32768 of the board's analog inputs."""
    if header.system == "Intan RHS" or header.board_mode == 13:
        return 312.5, 0.0
    if header.board_mode == 1:
        return 152.59, 0.0
    return 50.354, 50.354 * 32_768
