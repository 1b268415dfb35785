"""The watch over ourselves: the canary, the loop's heartbeat, what grows; README.md."""
