"""An engine that leaves the answers to a real endpoint."""

from tapehead.answers import Answer
from tapehead.protocol.messages import Request
from tapehead.protocol.responses import failure


class ForwardingEngine:
    """An engine that forwards the calls of the API, and nothing else."""

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to a request that arrived at `now`, in seconds since 1970."""
        if request.collection_call is None:
            return Answer(response=failure(404, "not a call of the Media Collection API", now))
        return Answer(forward=True)
