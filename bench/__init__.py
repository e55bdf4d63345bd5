"""Benchmarks: the product beside its raw limits and its peers, in one run, as ratios."""
