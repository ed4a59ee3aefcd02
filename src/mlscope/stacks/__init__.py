"""Which software runs, and on what machine."""
