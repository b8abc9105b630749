#!/usr/bin/env bash
# A pycbsdk callback for channels of any type is called n times for the n-th packet.
#
# Version: pycbsdk 0.4.1
# Guess:   a function registered for CBChannelType.Any is called once for each packet, as one registered for FrontEnd.
# Happens: for each packet of a known channel the list of the channel's own type is extended, in place, by the functions for
#          any type: the n-th spike calls such a function n times. 7,680 spikes a second are 29 million calls in the first.
# Seen:    10 spikes: FrontEnd called 10 times, Any 55 times
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


device, port, _ = connect("4.1")
calls = {"FrontEnd": 0, "Any": 0}


def count(name):
    def called(packet):
        calls[name] += 1

    return called


cbsdk.register_event_callback(device, CBChannelType.FrontEnd, count("FrontEnd"))
cbsdk.register_event_callback(device, CBChannelType.Any, count("Any"))
for number in range(10):
    sender.sendto(spike("4.1", 30_000 * (number + 1)), ("127.0.0.1", port))
    time.sleep(0.02)
time.sleep(1)
print(f"10 spikes: FrontEnd called {calls['FrontEnd']} times, Any {calls['Any']} times")
sys.exit(0 if calls == {"FrontEnd": 10, "Any": 55} else "The behaviour has changed.")
PY
echo "As described: the function for any type is called more often with each packet."
