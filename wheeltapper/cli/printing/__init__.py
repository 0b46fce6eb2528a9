"""What the terminal shows of a result: one kind of result a file."""
