"""The database's schema, step by step; :mod:`mlscope.results.store._engine` runs them."""
