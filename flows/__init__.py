"""Order: the sequence of steps. One flow in each file, in the same order as the diagram in docs."""
