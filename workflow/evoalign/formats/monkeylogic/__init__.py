"""MonkeyLogic's files of behaviour: BHV2, MAT-file level 5 and HDF5."""
