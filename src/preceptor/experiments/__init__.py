"""Whole experiments: teaching, arms, transfers and ablations by one plan, written down first, with one report."""
