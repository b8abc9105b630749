"""Analysis: trajectories, success, dynamics, tuning and encoding of paired evolutions."""
