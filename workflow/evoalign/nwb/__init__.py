"""NWB files of sessions: written, read back, validated and compared."""

from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.diff import content_differences
from evoalign.nwb.linked import linked_files, open_linked
from evoalign.nwb.read import read_nwb
from evoalign.nwb.write import write_nwb

__all__ = [
    "SessionContents",
    "SessionMetadata",
    "content_differences",
    "linked_files",
    "open_linked",
    "read_nwb",
    "write_nwb",
]
