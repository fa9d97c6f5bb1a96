"""Guards: what happens to a side effect when the work is simulated."""
