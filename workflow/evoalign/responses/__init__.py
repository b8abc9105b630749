"""Spike times x presentations -> counts per ms, smoothed rates from these, and both on disk."""
