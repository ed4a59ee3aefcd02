"""Pictures to tensors: decode, resize, crop, normalise, hooks."""
