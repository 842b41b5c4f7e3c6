"""Photograph a report: `python docs/picture_of_report.py report.html docs/images/report.png [dark]`. Needs chromium."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1200, "height": 1000}


def main() -> None:
    report, target, *dark = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        page.goto(Path(report).absolute().as_uri())
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main()
