"""The evaluation from request to sealed record."""
