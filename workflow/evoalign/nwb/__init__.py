"""NWB files of sessions: written, read back, validated and compared."""
