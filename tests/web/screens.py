"""Every screen the browser tests walk. A page that joins the review adds its address here."""

SCREENS = (
    "/queue",
    "/trail",
    "/nothing-here",
)
"""Seen alone at the machine, on the furnished house of conftest."""
