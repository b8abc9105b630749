"""Sessions as the objects of other libraries: neo, SpikeInterface, pynapple."""

from evoalign.export.neo_block import to_neo
from evoalign.export.pynapple_objects import to_pynapple
from evoalign.export.spikeinterface_analyzer import to_spikeinterface

__all__ = ["to_neo", "to_pynapple", "to_spikeinterface"]
