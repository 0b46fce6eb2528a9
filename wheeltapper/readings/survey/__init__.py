"""What `wheeltapper check` says of a source before anything is written."""
