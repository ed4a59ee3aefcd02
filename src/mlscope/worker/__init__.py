"""The process that runs the model and nothing else of mlscope."""
