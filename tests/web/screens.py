"""Every screen the browser tests walk. A page that joins the review adds its address here."""

SCREENS = (
    "/queue",
    "/queue?state=all&flagged=yes&sort=risk",
    "/queue?q=nothing+has+this",
    "/queue/all",
    "/strategies/st-refund",
    "/strategies/st-name",
    "/releases",
    "/releases/new",
    "/map",
    "/trail",
    "/accounts",
    "/trail?verify=yes&what=decide",
    "/nothing-here",
)
"""Seen alone at the machine, on the furnished house of conftest."""
