"""What `wheeltapper check` reports about a source before anything is written."""
