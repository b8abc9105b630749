"""Recordings of the rigs that are neither Blackrock's nor Plexon's, read with neo or in its place.

`systems` says which files belong to which system. Seven formats are read from
their bytes, since neo 0.14.6 leaves something out or reads it wrongly
(docs/formats.md says what); all others go through `through_neo`.
"""
