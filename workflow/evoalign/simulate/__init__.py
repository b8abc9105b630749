"""Simulated sessions with known truth, and writers of the vendors' file formats.

Import from the modules: the writers (``blackrock``, ``plexon``, ``plexon2``)
are of use without the model neurons, which need torch.
"""
