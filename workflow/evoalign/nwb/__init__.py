"""NWB files of sessions: written, read back, validated and compared."""

from evoalign.nwb.contents import SessionContents, SessionFacts
from evoalign.nwb.linked import linked_files, open_linked
from evoalign.nwb.read import read_nwb
from evoalign.nwb.same import same_content
from evoalign.nwb.write import write_nwb

__all__ = [
    "SessionContents",
    "SessionFacts",
    "linked_files",
    "open_linked",
    "read_nwb",
    "same_content",
    "write_nwb",
]
