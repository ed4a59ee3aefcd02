"""From a request to a sealed record."""
