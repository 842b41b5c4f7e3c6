"""As `tau2.environment`."""
