"""The ways in: each carries frames to the intake and answers back, and knows nothing of what they mean."""
