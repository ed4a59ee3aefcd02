"""What is evaluated: model, dataset and framework manifests."""
