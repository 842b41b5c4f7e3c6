"""Photograph the review: `python docs/picture_of_review.py PROJECT docs/images`. Needs chromium.

Opens the project's review, as it is, at the queue and at a strategy whose answers can be compared, in both themes.
"""

import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Literal

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from preceptor.cli.reviewing import review
from preceptor.settings.project import Project

SIZE = {"width": 1200, "height": 900}


def main() -> None:
    project, target = Path(sys.argv[1]), Path(sys.argv[2])
    with review(Project.load(project), "127.0.0.1", "Maria") as app, socket.create_server(("127.0.0.1", 0)) as taken:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: server.run([taken]), daemon=True)
        thread.start()
        _photograph(f"http://127.0.0.1:{taken.getsockname()[1]}", target)
        server.should_exit = True
        thread.join()


def _photograph(base: str, target: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        _shoot(browser, f"{base}/queue?sort=effect", target / "review-queue.png")
        _shoot(browser, f"{base}/queue?sort=effect", target / "review-strategy.png", opened=True)
        _shoot(browser, f"{base}/queue?sort=effect", target / "review-strategy-dark.png", opened=True, theme="dark")
        browser.close()


def _shoot(
    browser: Browser, url: str, target: Path, *, opened: bool = False, theme: Literal["light", "dark"] = "light"
) -> None:
    page = browser.new_page(viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
    page.goto(url)
    if opened:
        page.keyboard.press("Enter")
        page.wait_for_url("**/strategies/**")
    page.wait_for_timeout(300)
    page.screenshot(path=target)
    page.close()


if __name__ == "__main__":
    main()
