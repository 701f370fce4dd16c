"""Session ids with the data that is needed to continue a session after a restart, or in another process.

An id is opaque to players (observed: 64 hex digits), so ours encode the recorded session that is replayed, the live
sessionStart's ts and arrival, random bytes, and a checksum that distinguishes our own ids. Nothing in it is secret.
"""

import hashlib
import struct
from typing import NamedTuple

# The random bytes come first, so that the first few digits of ids differ. The arrival is told from others within 49
# days of it.
_LAYOUT = struct.Struct(">6s8sqI6s")
_ARRIVALS = 1 << 32
CHANCE_BYTES = 6
# The last of these, where ids of a process are told from those of others.
PROCESS_BYTES = 3
_CHECK = 6
NO_RECORDED_SESSION = bytes(8)


class Sid(NamedTuple):
    """The content of a session id that tapehead minted.

    Attributes:
        recorded: the fingerprint of the recorded session, or NO_RECORDED_SESSION for a simulated one.
        started_ts: the live sessionStart's ts, milliseconds since 1970.
        arrived: when the sessionStart arrived, milliseconds since 1970, as the remainder of 2 ** 32.
        process: the last PROCESS_BYTES of the random bytes, which are those of the process in replays.
    """

    recorded: bytes
    started_ts: int
    arrived: int = 0
    process: bytes = bytes(PROCESS_BYTES)

    def arrived_by(self, now: float) -> float:
        """Return when the sessionStart arrived, seconds since 1970, if that is within 24 days of `now`, likewise."""
        later = (round(now * 1000) - self.arrived + _ARRIVALS // 2) % _ARRIVALS - _ARRIVALS // 2
        return now - later / 1000


def fingerprint(text: str) -> bytes:
    """Return an eight-byte fingerprint of a recorded session, the same in every run."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def mint(recorded: bytes, started_ts: int, chance: bytes, arrived: float = 0.0) -> str:
    """Return a fresh session id of 64 hex digits.

    Args:
        recorded: the fingerprint of the recorded session, or NO_RECORDED_SESSION.
        started_ts: the live sessionStart's ts; one beyond 64 bits counts as 0.
        chance: CHANCE_BYTES random bytes.
        arrived: when the sessionStart arrived, seconds since 1970.
    """
    ts = started_ts if -(2**63) <= started_ts < 2**63 else 0
    body = _LAYOUT.pack(chance, recorded, ts, round(arrived * 1000) % _ARRIVALS, b"")[:-_CHECK]
    return (body + _check(body)).hex()


def read(sid: str) -> Sid | None:
    """Decode a session id; None if tapehead did not mint it."""
    try:
        raw = bytes.fromhex(sid)
        chance, recorded, ts, arrived, check = _LAYOUT.unpack(raw)
    except (ValueError, struct.error):
        return None
    return Sid(recorded, ts, arrived, chance[-PROCESS_BYTES:]) if check == _check(raw[:-_CHECK]) else None


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK, person=b"tapehead sid").digest()
