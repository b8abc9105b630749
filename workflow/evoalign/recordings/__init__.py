"""Raw files of any supported rig behind one interface."""

from evoalign.recordings.array_map import apply_array_map, read_array_map
from evoalign.recordings.recording import Recording
from evoalign.recordings.stream import Stream

__all__ = ["Recording", "Stream", "apply_array_map", "read_array_map"]
