"""What was decided and why: the ledger, promotion and roll-back, and what people say about alarms."""
