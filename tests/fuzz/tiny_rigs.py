"""The smallest whole files of rigs without a writer: .nex, .smr, .rec and .edf, built from their layouts."""

import numpy as np

from evoalign.formats.neo_rawio import neuroexplorer as nex
from evoalign.formats.neo_rawio import spike2_layout as smr

SAMPLES = np.arange(-40, 40, dtype="<i2")


def tiny_nex(fragments=((100, 0), (5_000, 30)), clock=40_000.0):
    """A neuron, an event, an interval, markers with two fields, and a continuous variable of fragments."""
    spikes, events = np.array([10, 200, 3_000], "<i4"), np.array([50, 60], "<i4")
    first = np.array([at for at, _ in fragments], "<i4").tobytes()
    first += np.array([sample for _, sample in fragments], "<i4").tobytes()
    fields = b"".join(
        name.ljust(64, b"\0") + b"".join(value.ljust(6, b"\0") for value in values)
        for name, values in ((b"text", [b"a", b"b"]), (b"code", [b"00101", b"00201"]))
    )
    variables = [
        (nex.NEURON, b"sig004b", spikes.tobytes(), 3, {}),
        (nex.EVENT, b"EVT01", events.tobytes(), 2, {}),
        (nex.INTERVAL, b"AllFile", events.tobytes() * 2, 2, {}),
        (nex.MARKER, b"Strobed", events.tobytes() + fields, 2, {"NMarkers": 2, "MarkerLength": 6}),
        (nex.CONTINUOUS, b"FP01", first + SAMPLES.tobytes(), len(fragments),
         {"NPointsWave": 80, "WFrequency": 1_000.0, "ADtoMV": 0.001}),
    ]  # fmt: skip
    head = np.zeros(1, nex.HEADER)
    head["MagicNumber"], head["NexFileVersion"], head["Frequency"] = b"NEX1", 104, clock
    head["End"], head["NumVars"] = 10_000, len(variables)
    heads = np.zeros(len(variables), nex.VARIABLE)
    at, data = nex.HEADER.itemsize + heads.nbytes, b""
    for row, (kind, name, content, n, more) in zip(heads, variables, strict=True):
        row["Type"], row["Version"], row["Name"], row["Count"] = kind, 101, name, n
        row["DataOffset"] = at + len(data)
        for key, value in more.items():
            row[key] = value
        data += content
    return head.tobytes() + heads.tobytes() + data


def tiny_smr(pause_ticks=1_000, tick_us=10):
    """A waveform of two blocks with a pause, events, digital markers and waveform marks."""
    divide = 100  # ticks a sample
    later = 40 * divide + pause_ticks
    marks = b"".join(
        np.array([tick, unit], "<i4").tobytes() + SAMPLES[:8].tobytes() for tick, unit in ((9, 1), (400, 2))
    )
    kinds = [
        (smr.ADC, b"LFP", [(0, SAMPLES[:40].tobytes(), 40), (later, SAMPLES[40:].tobytes(), 40)], 0),
        (smr.EVENT_RISE, b"Stim", [(5, np.array([5, 900], "<i4").tobytes(), 2)], 0),
        (smr.MARK, b"DigMark", [(7, np.array([[7, 101], [2_000, 201]], "<i4").tobytes(), 2)], 0),
        (smr.ADC_MARK, b"Spk", [(9, marks, 2)], 16),
    ]  # fmt: skip
    head = np.zeros(1, smr.HEADER)
    head["systemID"], head["copyright"], head["usPerTime"], head["timePerADC"] = 6, b"(C) CED 87", tick_us, 1
    head["channels"], head["dTimeBase"] = len(kinds), 1e-6
    heads = np.zeros(len(kinds), smr.CHANNEL)
    size = smr.CHANNELS_AT + heads.nbytes
    size += -size % 512
    data = b""
    for place, (kind, title, blocks, extra) in enumerate(kinds):
        row = heads[place]
        row["kind"], row["title"], row["nExtra"] = kind, bytes([len(title)]) + title, extra
        row["scale"], row["units"], row["lChanDvd"] = 1.0, b"\x02mV", divide
        places = [size + len(data) + 512 * k for k in range(len(blocks))]
        row["firstBlock"], row["lastBlock"], row["blocks"] = places[0], places[-1], len(blocks)
        for k, (tick, content, n) in enumerate(blocks):
            block = np.zeros(1, smr.BLOCK)
            block["predBlock"] = places[k - 1] if k else -1
            block["succBlock"] = places[k + 1] if k + 1 < len(blocks) else -1
            block["startTime"] = block["endTime"] = tick
            block["chanNumber"], block["items"] = place + 1, n
            data += (block.tobytes() + content).ljust(512, b"\0")
    return (head.tobytes().ljust(smr.CHANNELS_AT, b"\0") + heads.tobytes()).ljust(size, b"\0") + data


REC_XML = """<?xml version="1.0"?>
<Configuration>
 <GlobalConfiguration systemTimeAtCreation="1772445600000"/>
 <HardwareConfiguration numChannels="4" samplingRate="30000">
  <Device name="ECU" numBytes="6" available="1">
   <Channel startByte="0" dataType="digital" bit="0" id="ECU_Din1"/>
   <Channel startByte="0" dataType="digital" bit="1" id="ECU_Din2"/>
   <Channel startByte="2" dataType="analog" bit="0" id="ECU_Ain1"/>
  </Device>
 </HardwareConfiguration>
 <SpikeConfiguration chanPerChip="2">
  <SpikeNTrode id="1"{scale}><SpikeChannel hwChan="0"/><SpikeChannel hwChan="1"/></SpikeNTrode>
  <SpikeNTrode id="2"{scale}><SpikeChannel hwChan="2"/><SpikeChannel hwChan="3"/></SpikeNTrode>
 </SpikeConfiguration>
</Configuration>
"""


def tiny_rec(lost_before=30, lost=500, scaled=True):
    """Sixty packets of four channels, some lost; line 1 is high from packet 10 to 20, line 2 from 40."""
    packet = np.dtype([("sync", "u1"), ("ecu", "u1", 6), ("counter", "<u4"), ("samples", "<i2", 4)])
    packets = np.zeros(60, packet)
    packets["sync"] = 0x55
    packets["counter"] = 1_000 + np.arange(60) + lost * (np.arange(60) >= lost_before)
    packets["samples"] = np.arange(240).reshape(60, 4)
    packets["ecu"][10:20, 0], packets["ecu"][40:, 0] = 1, 2
    packets["ecu"][:, 2] = np.arange(60)
    xml = REC_XML.format(scale=' spikeScalingToUv="0.25"' if scaled else "")
    return xml.encode() + packets.tobytes()


def edf_signal(label, unit, physical, digital, n):
    """Fields of a signal's header in an EDF file, in their order."""
    texts = (label, "", unit, *physical, *digital, "", n, "")
    return [str(text) for text in texts]


def tiny_edf(pause_s=5.0, plus="EDF+D", records_told=6, annotations=True, signals=None, unit="uV"):
    """Six records of 0.01 s: two electrodes at 30 kHz and a light at 1 kHz; words, a text, a pause."""
    signals = signals or [
        ("El 1", unit, (-500, 500), (-32768, 32767)),
        ("El 2", unit, (-250, 250), (-2048, 2047)),
        ("Photodiode", "V", (-5, 5), (-32768, 32767)),
    ]
    n = [300, 300, 10]
    heads = [edf_signal(*signal, count) for signal, count in zip(signals, n, strict=True)]
    if annotations:
        heads.append(edf_signal("EDF Annotations", "", (-1, 1), (-32768, 32767), 32))
    fields = b"".join(
        "".join(head[k].ljust(size) for head in heads).encode("latin-1")
        for k, size in enumerate((16, 80, 8, 8, 8, 8, 8, 80, 8, 32))
    )
    fixed = "".join(
        text.ljust(size)
        for text, size in (
            ("0", 8), ("X X X X", 80), ("Startdate 02-MAR-2026 X X X", 80), ("02.03.26", 8), ("10.00.00", 8),
            (str(256 * (len(heads) + 1)), 8), (plus, 44), (str(records_told), 8), ("0.01", 8),
            (str(len(heads)), 4),
        )
    )  # fmt: skip
    data = b""
    for record in range(6):
        data += edf_samples(record).tobytes()
        if annotations:
            onset = 0.01 * record + (pause_s if record >= 3 else 0)
            lists = f"+{onset:.4f}\x14\x14\0"
            if record in (1, 4):
                lists += f"+{onset + 0.002:.4f}\x14{100 + record}\x14\0"
            if record == 2:
                lists += f"+{onset:.4f}\x150.5\x14reward\x14\0"
            data += lists.encode().ljust(64, b"\0")
    return fixed.encode() + fields + data


def edf_samples(record):
    """Counts of a record of `tiny_edf`: 300, 300 and 10 of its three signals."""
    return np.random.default_rng(record).integers(-2_000, 2_000, 610).astype("<i2")
