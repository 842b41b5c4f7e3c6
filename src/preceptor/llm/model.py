"""The one seam every model stands behind.

A `Model` answers requests; everything else (ledger, budget, retries, limits, cache) is a wrapper that is itself a
`Model`. Providers classify what went wrong (`errors`); only `Retrying` decides what to do about it.
"""

from typing import Protocol, runtime_checkable

from preceptor.llm.messages import Reply, Request


@runtime_checkable
class Model(Protocol):
    @property
    def name(self) -> str:
        """What identifies the model in ledgers, prices and reports, such as ``http://127.0.0.1:8000/v1 small``."""

    async def ask(self, request: Request) -> Reply:
        """Answer a request.

        Raises:
            RateLimited, Unavailable: worth another try.
            Rejected: not worth another try.
            BadReply: an answer came that cannot be used.
            Stopped: the run is stopping; nothing was sent.
        """
