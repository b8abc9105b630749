"""Figures: each module draws one, from tables and the settings they were made with."""
