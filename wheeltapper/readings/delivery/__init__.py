"""From a source to the tables: readings, quarantine and faults, each row exactly once."""
