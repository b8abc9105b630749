"""Raw Blackrock and Plexon recordings to manifold-alignment figures.

The rooms, in the order in which data flow (a room imports only from rooms
above it; ``errors``, ``files`` and ``tables`` are open to all)::

    study  recordings  events  sorting  nwb  responses
    spaces  evolution  analysis  figures  simulate
"""

__version__ = "0.1.0"
