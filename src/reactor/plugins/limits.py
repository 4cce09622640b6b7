"""How long a plugin may take, and how it is tried again. Seconds."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The same for all plugins; tests shorten them."""

    start: float = 10.0
    """From its start to its handshake."""
    call: float = 10.0
    """Of `Describe` and `TestConnection`, and of the first word of a trigger."""
    ping_every: float = 2.0
    ping_within: float = 5.0
    """Who does not answer for so long hangs, and is ended."""
    grace: float = 3.0
    """To leave by itself, at our end."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    steady: float = 60.0
    """Who lived so long and then dies is started again after the shortest pause."""
    gaps: int = 100
    """That one trigger may tell before it is started anew."""
