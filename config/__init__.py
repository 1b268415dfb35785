"""Settings, log set-up, default policies, and the doors for time, ids and chance."""
