"""Where weights and data come from: sources, digests and the shared cache."""
