"""Plexon's .pl2: byte layouts, reader, writer, and bundles that Plexon's own library exports."""
