"""Sorting: voltages to sorted, multi- and online units with their quality."""
