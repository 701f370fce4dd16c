"""Permutation of the strings of digits of one length, by a secret key: format-preserving encryption.

A Feistel network over the least even number of bits permutes more numbers than there are strings; a number beyond them
is permuted again until it is none (cycle walking), which leaves a permutation of the strings. Two strings therefore
never get the same pseudonym. To step once around the cycle of all strings, as they are ordered by that permutation,
leaves none of them where it was: no identifier stands for itself.

Strings that begin with a zero are permuted among themselves, so that a number stays one that JSON can write, and has
the same pseudonym as the string of its digits.
"""

import hmac
from functools import lru_cache
from hashlib import blake2b

ROUNDS = 6
# Longer strings are hashed: there, two of them do not meet by chance.
MOST_DIGITS = 19


def permute_digits(key: bytes, digits: str) -> str:
    """Return the string of as many digits that stands for `digits` with `key`; only `0` stands for itself."""
    size = len(digits)
    least, beyond = (0, 10 ** (size - 1)) if digits[0] == "0" else (10 ** (size - 1), 10**size)
    count: int = beyond - least
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keyed = blake2b(b"%d %d " % (size, least), digest_size=8, key=blake2b(key).digest())

    def round_value(number_of_round: int, part: int) -> int:
        one = keyed.copy()
        one.update(b"%d %d" % (number_of_round, part))
        return int.from_bytes(one.digest()) & mask

    def walk(number: int, rounds: range) -> int:
        while True:
            left, right = number >> half, number & mask
            for number_of_round in rounds:
                left, right = right, left ^ round_value(number_of_round, right)
            number = right << half | left  # the halves change places, so that the rounds undo themselves backwards
            if number < count:
                return number

    position = walk(int(digits) - least, range(ROUNDS))
    return f"{walk((position + 1) % count, range(ROUNDS - 1, -1, -1)) + least:0{size}d}"


# The calls of a session repeat its identifiers.
@lru_cache(maxsize=4096)
def substitute_digits(key: bytes, digits: str) -> str:
    """Return the digits that stand for `digits`: as many, and the first is a zero only if theirs is."""
    if len(digits) <= MOST_DIGITS:
        return permute_digits(key, digits)
    number = int.from_bytes(hmac.digest(key, digits.encode(), "sha256"))
    first = "0" if digits[0] == "0" else str(number % 9 + 1)
    return first + f"{number:0{len(digits)}d}"[1 - len(digits) :]
