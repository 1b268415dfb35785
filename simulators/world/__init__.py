"""The simulated world: the production rooms on virtual time, everything random from one seed, faults and checkers."""
