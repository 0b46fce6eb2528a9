"""From a source to the table of readings: cleaning, units, checks, sensor health, and what is excluded."""
