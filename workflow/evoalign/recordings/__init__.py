"""Raw files of any supported rig behind one interface."""

from evoalign.recordings.array_map import apply_array_map, read_array_map
from evoalign.recordings.recording import Recording, open_recording
from evoalign.recordings.stream import Stream

__all__ = ["Recording", "Stream", "apply_array_map", "open_recording", "read_array_map"]
