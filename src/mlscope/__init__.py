"""Reproducible evaluation of machine-learning models."""
