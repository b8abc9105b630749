#!/usr/bin/env bash
# The protocol of the first pycbsdk device is that of all later ones in the process, whatever they ask for.
#
# Version: pycbsdk 0.4.1
# Guess:   create_params(protocol=..) tells how this device's packets are laid out: two NSPs with other firmware are two devices.
# Happens: the layouts are imported once, by the first device's protocol. Packets of a second one, of 3.11 (8-byte headers), are
#          read with the 16-byte headers of 4.1: other channels and times, or, as here, none at all. No error, no warning.
# Seen:    alone: 1 spike of a device of protocol 3.11; after a device of 4.1: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pycbsdk==0.4.1 aenum==3.1.17 ifaddr==0.2.0 numpy==2.4.6
export HOME=$work
cd "$work"
venv/bin/python -W ignore - <<'PY'
import logging
import socket
import struct
import sys
import time

logging.disable(logging.CRITICAL)
from pycbsdk import cbsdk
from pycbsdk.cbhw.packet.common import CBChannelType

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def connect(protocol):
    """A device on this computer's own network at which nobody answers; spikes are sent to its client's port."""
    port = free_port()
    parameters = cbsdk.create_params(
        inst_addr="127.0.0.1", inst_port=free_port(), client_addr="127.0.0.1", client_port=port, protocol=protocol
    )
    device = cbsdk.get_device(parameters)
    run_level = cbsdk.connect(device, startup_sequence=False)
    device.config["channel_types"][3] = CBChannelType.FrontEnd  # what a real one's configuration would say
    return device, port, run_level


def spike(protocol, time_stamp):
    """A spike of unit 1 on channel 3, as cbproto.h has it: header, three floats, peak, valley, 48 points."""
    if protocol == "3.11":
        return struct.pack("<IHBB", time_stamp, 3, 1, 28) + bytes(112)
    return struct.pack("<QHHHBB", time_stamp, 3, 1, 28, 0, 0) + bytes(112)


def spikes_of(protocol):
    device, port, _ = connect(protocol)
    came = []
    cbsdk.register_event_callback(device, CBChannelType.FrontEnd, lambda packet: came.append(packet.header.chid))
    sender.sendto(spike(protocol, 90_000), ("127.0.0.1", port))
    time.sleep(1)
    return came


import os

reading, writing = os.pipe()
if os.fork() == 0:  # a process of its own
    os.write(writing, bytes([len(spikes_of("3.11"))]))
    os._exit(0)
alone = os.read(reading, 1)[0]
first = spikes_of("4.1")
after = spikes_of("3.11")
print(f"alone: {alone} spike of a device of protocol 3.11; after a device of 4.1: {len(after)}")
sys.exit(0 if (alone, first, after) == (1, [3], []) else "The behaviour has changed.")
PY
echo "As described: the second device is read by the protocol of the first."
