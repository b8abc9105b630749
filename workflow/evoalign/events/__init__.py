"""Stimulus logs, event words and the photodiode: what was shown, and when."""
