"""Plexon's .plx: byte layouts, reader and writer."""
