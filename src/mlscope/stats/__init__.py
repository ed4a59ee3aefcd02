"""Pure statistics: percentiles, intervals."""
