"""Decisions with their reasons: the ledger, promotion and roll-back, and people's decisions about alarms."""
