"""Evolutions that run beside a rig: proposals, display, spikes, scores, and a journal of all of it."""
