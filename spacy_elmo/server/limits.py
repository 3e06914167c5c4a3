"""Bounds of a server: what a request may have, how many are in work, and how long a client may take."""

from dataclasses import dataclass

# Characters of a request: more than any sentence, and few enough for a thousand requests that wait.
BODY_BYTES = 256 * 1024
MAX_TOKENS = 2_048


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a server.

    max_tokens (int): Tokens of a request, and sentences.
    max_body_bytes (int): Bytes of a request's body.
    n_slots (int): Requests in work. Each has its slot until the last byte of its answer is sent, so that memory is
        bounded by the answers of so many.
    n_threads (int): Requests that are computed at a time.
    n_waiting (int): Requests that wait for a slot, or whose body is being read.
    body_seconds (float): Time in which a body must arrive, and the head of a request.
    answer_seconds (float): Time that a client may take for any answer, besides what `bytes_per_second` gives it.
    bytes_per_second (int): How fast a client must read.
    stop_seconds (float): Time that requests in work have after the server was told to stop.
    """

    max_tokens: int = MAX_TOKENS
    max_body_bytes: int = BODY_BYTES
    n_slots: int = 8
    n_threads: int = 2
    n_waiting: int = 1_000
    body_seconds: float = 20.0
    answer_seconds: float = 20.0
    bytes_per_second: int = 64 * 1024
    stop_seconds: float = 5.0
