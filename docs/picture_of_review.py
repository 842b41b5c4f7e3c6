"""Photograph the review: `python docs/picture_of_review.py PROJECT docs/images`. Needs chromium.

Opens the project's review, as it is, at the queue, and at the undecided strategy with the largest effect.
"""

import shutil
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from preceptor.cli.reviewing import review
from preceptor.settings.project import Project

WIDTH = 1200


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
        _shoot(browser, f"{base}/queue?sort=effect", target / "review-queue.png", 800)
        _shoot(browser, f"{base}/queue?sort=effect", target / "review-strategy.png", 1500, opened=True)
        browser.close()


def _shoot(browser: Browser, url: str, target: Path, height: int, *, opened: bool = False) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": height})
    page.goto(url)
    if opened:
        page.keyboard.press("Enter")
        page.wait_for_url("**/strategies/**")
    page.wait_for_timeout(300)
    page.screenshot(path=target)
    page.close()


if __name__ == "__main__":
    main()
