"""Sensors that do not measure, and values that are unusual."""
