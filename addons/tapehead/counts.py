"""Numbers in files that are read back, with the bounds outside of which they mean nothing."""

from typing import Annotated

import msgspec

# Beyond it, readers of JSON that have one type for numbers are no longer exact.
_MOST = 2**53
# How many there are of something, or a number that counts from 0.
Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
# A number that counts from 1, as of a line or a version.
Ordinal = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
