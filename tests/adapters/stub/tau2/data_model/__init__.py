"""As `tau2.data_model`."""
