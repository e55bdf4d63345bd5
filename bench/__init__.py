"""Benchmarks: the product beside the raw cost of what it is made of, in one run, as ratios."""
