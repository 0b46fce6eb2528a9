"""The sentences and the tables of the report."""
