"""As `tau2.evaluator`."""
