"""The keys whose signatures are believed now."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from airtable_connector.mesh.tokens.identity import Source


@dataclass(frozen=True)
class TrustedKey:
    """A public key, and what a token it signed has to say to be believed.

    Args:
        source: whose key it is; it becomes the source of the identities.
        public_pem: the RSA key as a ``PUBLIC KEY`` PEM; not read before the first use.
        key_id: the ``kid`` it goes by, or None when it has none and is tried for every token.
        issuer: the ``iss`` its tokens must carry, or None when that does not matter.
        audience: the ``aud`` its tokens must carry or list, or None when that does not matter.
    """

    source: Source
    public_pem: bytes = field(repr=False)
    key_id: str | None = None
    issuer: str | None = None
    audience: str | None = None


class KeyRing:
    """The trusted keys: fixed ones that the settings name, and those fetched from the Registry.

    Both parts are replaced as a whole, between two requests. ``version`` counts the changes, so that whoever
    remembers a verdict can see that it was made with other keys.
    """

    def __init__(self, fixed: Iterable[TrustedKey] = ()) -> None:
        self._fixed = tuple(fixed)
        self._fetched: tuple[TrustedKey, ...] = ()
        self._ask_early: Callable[[], None] | None = None
        self.version = 0

    def __repr__(self) -> str:
        return f"KeyRing({len(self._fixed)} fixed, {len(self._fetched)} fetched, version {self.version})"

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        """All keys that are trusted now."""
        return self._fixed + self._fetched

    def candidates(self, key_id: str | None) -> tuple[TrustedKey, ...]:
        """Return the keys that may have signed a token with this ``kid``: those of that name and the nameless."""
        if key_id is None:
            return self.keys
        return tuple(key for key in self.keys if key.key_id is None or key.key_id == key_id)

    def knows(self, key_id: str | None) -> bool:
        """Tell whether a key goes by this name; a token without a ``kid`` names none."""
        return key_id is not None and any(key.key_id == key_id for key in self.keys)

    def replace_fixed(self, keys: Iterable[TrustedKey]) -> None:
        """Trust these keys instead of the fixed ones so far."""
        self._fixed = tuple(keys)
        self.version += 1

    def replace_fetched(self, keys: Iterable[TrustedKey]) -> None:
        """Trust these keys instead of the fetched ones so far; the same keys again change nothing."""
        wanted = tuple(keys)
        if wanted != self._fetched:
            self._fetched = wanted
            self.version += 1

    def call_when_unknown(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called for each token that a key unknown here may have signed; it must return at once."""
        self._ask_early = callback

    def wanted_unknown_key(self) -> None:
        """Note that a token came whose key is not here: the Registry may have a new one."""
        if self._ask_early is not None:
            self._ask_early()
