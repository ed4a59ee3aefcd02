"""Load: LoadGen tests and streams of batches."""
