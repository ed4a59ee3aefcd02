"""MLPerf in and out: LoadGen's logs, trees of results, what the rounds ask for, and CK's archives."""
