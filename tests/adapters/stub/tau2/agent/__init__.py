"""As `tau2.agent`."""
