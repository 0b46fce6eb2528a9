"""The servers and the worker that run on this machine, and how they are started and ended."""
