"""Reports for readers: HTML for people, Markdown for pull requests, JSON and CSV for programs, JUnit XML for CI.

Nothing is estimated here: `figures` asks the `Report` once, and every format shows the same figures.
"""
