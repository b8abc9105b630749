"""Blackrock's Cerebus, by pycbsdk: spikes, the digital input and the clock, as its NSP sends them.

pycbsdk 0.4.1 is pure Python. Later versions hold a compiled library, whose wheels need glibc
2.39: on older systems pip installs them without it, and the first session fails.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from evoalign.errors import InputError
from evoalign.loop.acquisition import CLOCK, DIGITAL, LIGHT, SERIAL, SPIKE, Arrivals, Ints
from evoalign.loop.addresses import endpoint
from evoalign.loop.cerebus_packets import GROUP_HZ
from evoalign.loop.settings import RecorderSettings

VERSION = "0.4.1"
RUNNING = 50  # run level of an NSP that records
CONFIG_TRIES = 3
MONITORS = 8  # whose counts are compared: packets that are on their way are not lost
CLOSE_S = 2.0


class CerebusSource:
    """Packets of one NSP.

    Parameters
    ----------
    settings : RecorderSettings
        Addresses and protocol.

    Attributes
    ----------
    clock_hz : float
        Ticks a second of its stamps: 30,000, or 1e9 with PTP.
    light_hz : float
        Samples a second of the photodiode; 0 without one.

    Raises
    ------
    InputError
        pycbsdk is missing or of another version, an address is not one of this computer, no NSP answers, or
        the photodiode is not sampled.
    """

    def __init__(self, settings: RecorderSettings) -> None:
        cbsdk = load_pycbsdk(settings.protocol)
        logging.getLogger("pycbsdk").setLevel(logging.WARNING)  # it tells of each heartbeat
        device = endpoint(settings.address, "recorder.address")
        local = endpoint(settings.local_address, "recorder.local_address")
        _check_local(local)
        self._arrivals = Arrivals()
        self._n_received = self._counter = 0  # when the NSP last told what it had sent
        self._losses: deque[int] = deque([0], MONITORS)
        self._device = cbsdk.get_device(
            cbsdk.create_params(
                inst_addr=device[0],
                inst_port=device[1],
                client_addr=local[0],
                client_port=local[1],
                protocol=settings.protocol,
            )
        )
        self._cbsdk = cbsdk
        # Without its startup sequence, which resets an NSP that is not running: Central does that.
        if cbsdk.connect(self._device, startup_sequence=False) != RUNNING:
            self.close()
            raise InputError(
                "no NSP answers, or it does not run",
                settings.address,
                "start Central; check recorder.address, recorder.local_address and recorder.protocol",
            )
        self._groups: dict[
            int, list[int]
        ] = {}  # channels of each sample group, in the order of their samples
        self._on_config("GROUPREP", self._take_group)
        configuration = self._configuration(settings.address)
        self.clock_hz, self.light_hz = float(configuration["sysfreq"]), 0.0
        self._listen()
        if settings.photodiode:
            self._listen_to_light(settings.photodiode, configuration)

    def take(self) -> Ints:
        """Return packets since the last call, as `Arrivals.take`."""
        return self._arrivals.take()

    def n_lost(self) -> int:
        """Return how many packets the NSP says it sent and that did not come."""
        return max(0, min(self._losses))

    def close(self) -> None:
        """End the connection."""
        # pycbsdk waits for its threads without an end.
        closing = threading.Thread(target=self._disconnect, daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            self._cbsdk.disconnect(self._device)

    def _configuration(self, address: str) -> dict[str, Any]:
        for _ in range(CONFIG_TRIES):
            configuration = self._cbsdk.get_config(self._device, force_refresh=True)
            if configuration and configuration["sysfreq"]:
                return configuration
        self.close()
        raise InputError(
            f"the NSP does not send its configuration ({CONFIG_TRIES} tries)",
            address,
            "start Central; check that no firewall keeps its packets away",
        )

    def _listen(self) -> None:
        from pycbsdk.cbhw.packet.common import CBChannelType

        put = self._arrivals.put

        def on_spike(packet: Any) -> None:
            header = packet.header
            put((SPIKE, header.time, header.chid, header.type))

        def on_word(packet: Any, kind: int = DIGITAL, bits: int = 0xFFFF) -> None:
            value = packet.valueRead if hasattr(packet, "valueRead") else packet.data[0]
            put((kind, packet.header.time, value & bits, 0))

        def on_clock(packet: Any) -> None:
            put((CLOCK, packet.header.time, 0, 0))

        register = self._cbsdk.register_event_callback
        register(self._device, CBChannelType.FrontEnd, on_spike)
        register(self._device, CBChannelType.DigitalIn, on_word)
        register(self._device, CBChannelType.Serial, lambda packet: on_word(packet, SERIAL, 0xFF))
        self._on_config("SYSHEARTBEAT", on_clock)
        self._on_config("SYSPROTOCOLMONITOR", self._count)

    def _on_config(self, kind: str, callback: Callable[[Any], None]) -> None:
        from pycbsdk.cbhw.packet.common import CBPacketType

        self._cbsdk.register_config_callback(self._device, CBPacketType[kind], callback)

    def _take_group(self, information: Any) -> None:
        # pycbsdk keeps a set, and the order of a packet's samples is that of this list.
        self._groups[information.group] = information.chan_list.ravel().tolist()

    def _listen_to_light(self, name: str, configuration: dict[str, Any]) -> None:
        """Take in the samples of the analog input of this name or number."""
        channels = [
            number
            for number, information in sorted(configuration["channel_infos"].items())
            if name in (str(number), bytes(information.label).decode("latin1").strip("\0 "))
        ]
        sampled = [
            (group, members.index(channels[0]))
            for group, members in sorted(self._groups.items())
            if channels and channels[0] in members
        ]
        if not sampled:
            self.close()
            raise InputError(
                f"the NSP does not sample a channel '{name}'"
                if channels
                else f"the NSP has no channel '{name}'",
                "recorder.photodiode",
                "put the photodiode's analog input into a sample group in Central; 1 kHz is enough",
            )
        group, position = sampled[0]
        put = self._arrivals.put

        def on_sample(packet: Any) -> None:
            put((LIGHT, packet.header.time, int(packet.data[position]), 0))

        self.light_hz = float(GROUP_HZ[group])
        self._cbsdk.register_group_callback(self._device, group, on_sample)

    def _count(self, monitor: Any) -> None:
        """Compare what the NSP says it sent since its last such packet with what came."""
        n_received = self._device.pkts_received
        counter = getattr(monitor, "counter", 0)  # of protocols before 4.1: none
        if self._n_received:
            n_monitors_lost = max(0, counter - self._counter - 1) if counter else 0
            # What was sent before a monitor that is lost is not known: only the monitor itself counts.
            missing = monitor.sentpkts - (n_received - self._n_received)
            self._losses.append(self._losses[-1] + (n_monitors_lost or missing))
        self._counter, self._n_received = counter, n_received
        self._arrivals.put((CLOCK, monitor.header.time, 0, 0))


def load_pycbsdk(protocol: str) -> Any:
    """Return the module that connects to an NSP.

    Raises
    ------
    InputError
        It is missing, of another version, or was used with another protocol in this process.
    """
    hint = f"pip install pycbsdk=={VERSION} aenum ifaddr"
    try:
        installed = importlib.metadata.version("pycbsdk")
    except importlib.metadata.PackageNotFoundError:
        raise InputError("a Cerebus is reached by pycbsdk, which is not installed", hint=hint) from None
    try:
        from pycbsdk import cbsdk
        from pycbsdk.cbhw import config
    except ImportError:
        raise InputError(
            f"pycbsdk {installed} is installed: from 9.0 on it needs a compiled library, which comes only "
            f"with glibc 2.39 or newer; this loop takes version {VERSION}, which needs none",
            "pycbsdk",
            hint,
        ) from None
    if config.protocol not in (None, protocol):
        raise InputError(f"protocol {config.protocol} is in use in this process", "recorder.protocol")
    return cbsdk


def _check_local(local: tuple[str, int]) -> None:
    """Refuse an address to which pycbsdk could not bind: it would go on and hear nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(local)
        except OSError as error:
            raise InputError(
                f"the address cannot be used: {error}",
                "recorder.local_address",
                "give this computer's address on the NSP's network and the port to which the NSP sends",
            ) from None
