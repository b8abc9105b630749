#!/usr/bin/env bash
# pycbsdk connects to an address at which nobody answers, and returns the run level of a device that starts up.
#
# Version: pycbsdk 0.4.1
# Guess:   connect(device, startup_sequence=False) fails, or returns 0 as with the startup sequence, when no NSP answers. (One does
#          without the sequence since it resets an NSP that is not running, while Central records.)
# Happens: it returns CBRunLevel.STARTUP (10), the value with which the device object was made, and no error. Nothing was received.
#          A test of truth takes the device for connected.
# Seen:    connect returned 10 (STARTUP), packets received: 0
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


device, _, run_level = connect("4.1")
print(f"connect returned {int(run_level)} ({run_level.name}), packets received: {device.pkts_received}")
sys.exit(0 if (int(run_level), device.pkts_received) == (10, 0) else "The behaviour has changed.")
PY
echo "As described: an NSP that is not there seems to start up."
