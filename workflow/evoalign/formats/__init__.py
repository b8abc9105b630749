"""Bytes of raw files, both ways: one folder for each vendor."""
