"""What .plx and .pl2 share: blocks, runs, streams."""
