"""The room simulators (演练): a town that presses, travels, forgets and fails, and drives the system from outside."""
