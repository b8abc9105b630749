"""Names that objects and columns of this pipeline's tables have in an NWB file."""

from __future__ import annotations

MADE_BY = "evoalign"  # begins source_script in files of this pipeline
METADATA_TABLE = "facts"
PRESENTATION_INTERVALS = "presentations"
EVENT_WORDS = "event_words"
IMAGE_COLLECTION = "images"
UNKNOWN_LOCATION = "unknown"  # where the standard asks for one

# Our name -> name in the file. 'name' is a table's own; 'channel_name' is what other tools look for.
NAME_IN_FILE = {"name": "channel_name"}
ELECTRODES_IN_FILE = {**NAME_IN_FILE, "x_um": "rel_x", "y_um": "rel_y", "area": "location"}
PRESENTATIONS_IN_FILE = {"onset_s": "start_time", "offset_s": "stop_time"}
WORDS_IN_FILE = {"time_s": "timestamp"}

HINT = "give an undamaged file, or name its columns in config under nwb.columns"
