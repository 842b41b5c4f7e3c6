"""The command line: parse, call, show. One short module per command; what a command needs is imported when it runs."""

from preceptor.cli.main import main

__all__ = ["main"]
