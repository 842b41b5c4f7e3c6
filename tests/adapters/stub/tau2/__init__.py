"""A stand-in for tau2-bench in tests: the parts of its interface that the adapter uses, with the same names, signatures
and habits, over a domain of two errands. Its code is our own."""
