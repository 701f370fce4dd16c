"""Messages between a recorder and the process that ships its files: lines of JSON over its stdin and stdout."""

import msgspec

# The line that asks for the end once everything is shipped. Without stdin, the process ends at once.
END = b"end\n"


class ShippingTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds.

    Attributes:
        look: the pause between two looks into the folder.
        first_pause, longest_pause: the pause after a failure, which doubles up to the longest.
        answer: the longest wait for an answer of the store.
    """

    look: float = 1.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    answer: float = 30.0


TIMES = ShippingTimes()


class ShippingSetup(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the process that ships files.

    Attributes:
        out: the path of the recording, whose full files are shipped.
        url: the folder in the store that they go to.
        delete: whether files are removed once they are shipped and verified.
        times: the pauses.
    """

    out: str
    url: str
    delete: bool = False
    times: ShippingTimes = TIMES


class ShippingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the process that ships files.

    Attributes:
        is_checked: whether the store was asked once.
        shipped: the number of files that were shipped since the start of the process.
        waiting: the number of files that wait, also those that the store did not take so far.
        failed: the number of files that cannot be read.
        problem: why the store takes none; empty if it does.
        is_refused: whether waiting does not help, as with a wrong password.
        failed_file: what went wrong with the latest file that could not be read or shipped while others could.
        is_done: whether the process ends because nothing waits any more.
        error: why it ends, if that is an internal error.
    """

    is_checked: bool = False
    shipped: int = 0
    waiting: int = 0
    failed: int = 0
    problem: str = ""
    is_refused: bool = False
    failed_file: str = ""
    is_done: bool = False
    error: str = ""
