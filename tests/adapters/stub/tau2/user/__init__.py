"""As `tau2.user`."""
