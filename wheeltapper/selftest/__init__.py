"""The self-test: known faults are injected into real readings, and the gates say which of them a model finds."""
