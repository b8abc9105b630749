"""Blackrock's NEV and NSx: byte layouts, reader and writer."""
