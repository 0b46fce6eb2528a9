"""From a source to the table of readings: clean, check, exclude."""
