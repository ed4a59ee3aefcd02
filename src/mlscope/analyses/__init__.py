"""What records say: pure functions from records to tables."""
