"""The figures of the report: one question a figure, one kind of figure a file."""
