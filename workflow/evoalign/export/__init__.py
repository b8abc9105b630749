"""Sessions as the objects of other libraries: neo, SpikeInterface, pynapple."""
