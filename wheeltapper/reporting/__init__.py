"""The report: its data, its figures and its text, put together into one HTML file."""
