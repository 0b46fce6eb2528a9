"""What was decided and why: the ledger, promotion by hand, and a person's word on alarms."""
