"""Answers of the HTTP API about a run as a whole: all of its calls as a recording, and its summary so far."""

from collections.abc import Iterable, Iterator

import msgspec
from starlette.responses import Response, StreamingResponse

from tapehead.journal.row_filter import RowFilter
from tapehead.live.api_model import CONFLICT, Api, ApiError, ApiRequest
from tapehead.live.api_sessions import LINES
from tapehead.remote.journal_urls import MISSING_HEADER, RESETS_HEADER

PIECE_BYTES = 256_000
HEADERS = {
    MISSING_HEADER: "The number of calls that are not in the journal, since there was no room or they were left out.",
    RESETS_HEADER: "How often the journal was reset: calls from before are gone.",
}


def save_calls(api: Api, request: ApiRequest) -> Response:
    """Answer with all calls as a recording, piece by piece, and in headers with how many are missing."""
    rows = RowFilter(key=request.query.get("key"), session=request.query.get("session"))
    lines, totals = api.journal.recording(rows)
    left_out = 0 if api.journal.is_recorded else totals.left_out_calls
    headers = {MISSING_HEADER: str(totals.gone + left_out), RESETS_HEADER: str(totals.resets)}
    return StreamingResponse(join_lines(lines), headers=headers, media_type=LINES)


def join_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines joined to pieces of some size."""
    piece, size = list[bytes](), 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def show_summary(api: Api, _request: ApiRequest) -> Response:
    """Answer with the summary of the run so far.

    Raises:
        ApiError: the command has none.
    """
    if api.summarise is None:
        raise ApiError(CONFLICT, f"'{api.command}' has no summary; 'record', 'replay' and 'serve' have one")
    # Unused exchanges are named as they are read.
    return Response(msgspec.json.encode(api.summarise(), enc_hook=list), media_type="application/json")
