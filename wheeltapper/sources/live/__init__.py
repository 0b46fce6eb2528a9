"""Live sources: readings come by themselves, one file for each kind of door."""
