"""What every rig gives: recordings, streams, channels and the array map."""
