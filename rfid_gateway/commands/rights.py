"""Who may give which command, and how often. Pure; time is an argument.

Brokers authenticate their clients, but MQTT does not tell the receiver who published. So a right is either anybody's
who may publish on the topic, which the broker's rules decide, or it hangs on a secret in the payload.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who may give commands."""

    name: str
    """Empty for whoever shows no token."""
    allow: frozenset[str]
    """Names of commands."""
    token_digest: bytes = field(default=b"", repr=False)


class UnknownTokenError(ValueError):
    """The token is nobody's."""


class Rights:
    """All clients; immutable."""

    def __init__(self, allow: frozenset[str], clients: Sequence[Client]) -> None:
        """Take over who may do what; `allow` is everybody's, also the clients'."""
        self._anybody = Client("", allow)
        self._clients = tuple(Client(each.name, each.allow | allow, each.token_digest) for each in clients)

    def client_of(self, token: str | None) -> Client:
        """Whose token that is; without one, anybody.

        Compares with every client's in constant time, so that the time it takes tells nothing.

        Raises:
            UnknownTokenError: it is nobody's.
        """
        if token is None:
            return self._anybody
        digest = digest_of(token)
        found = [client for client in self._clients if compare_digest(client.token_digest, digest)]
        if not found:
            raise UnknownTokenError("the token is no client's")
        return found[0]


def digest_of(token: str) -> bytes:
    """What is kept and compared of a token: as long for each."""
    return sha256(token.encode(errors="surrogatepass")).digest()


class RateLimit:
    """So many in a minute, all of them at once if need be. Owner: the pipeline's thread."""

    def __init__(self, per_minute: int, now: int) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at = now

    def take(self, now: int) -> bool:
        """Count one at the monotonic time `now`; False when there have been too many."""
        gained = (now - self._at) * self._per_minute / 60_000_000
        self._left = min(float(self._per_minute), self._left + gained)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
