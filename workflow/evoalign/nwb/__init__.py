"""NWB files of sessions: written, read back, validated and compared."""

from evoalign.nwb.contents import SessionContents, SessionFacts

__all__ = ["SessionContents", "SessionFacts"]
