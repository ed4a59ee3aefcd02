"""What mlscope costs beside what it measures, as ratios against a bare peer taken in the same run.

``python -m benchmarks`` runs all; ``python -m benchmarks NAME …`` some; ``--pairs N`` sets the number of pairs.
Nothing else should run on the machine meanwhile.
"""
