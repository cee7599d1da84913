"""What goes wrong with identities, keys and the settings that describe them.

No message here carries a token, a key, a path or a value taken from a token.
"""

from datetime import datetime, timedelta

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable

_HEADER = "Authorization"
_WANTED = "send 'Authorization: Bearer <token>' with an RS256 token of the Registry or of this droplet"


class MissingToken(Unauthenticated):
    """The request carries no token."""

    code = "missing-token"

    def __init__(self) -> None:
        super().__init__("the request carries no token", field=_HEADER, hint=_WANTED)


class MalformedToken(Unauthenticated):
    """The token, or a claim in it, has not the shape that a token must have."""

    code = "malformed-token"

    def __init__(self, why: str, *, claim: str | None = None) -> None:
        super().__init__(
            f"the token is malformed: {why}",
            field=_HEADER,
            hint=_WANTED,
            facts={} if claim is None else {"claim": claim},
        )
        self.claim = claim


class ExpiredToken(Unauthenticated):
    """The token was good and is no longer."""

    code = "expired-token"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"the token expired at {iso(expired_at)}",
            field=_HEADER,
            hint="ask its issuer for a new one",
            facts={"claim": "exp"},
        )
        self.expired_at = expired_at


class TokenNotYetValid(Unauthenticated):
    """The token says of itself that its time is still to come."""

    code = "token-not-yet-valid"

    def __init__(self, claim: str, *, valid_from: datetime) -> None:
        super().__init__(
            f"the token is valid from {iso(valid_from)} ({claim}), which is still to come",
            field=_HEADER,
            hint="compare the clocks of the issuer and of this service",
            facts={"claim": claim},
        )
        self.claim, self.valid_from = claim, valid_from


class UntrustedToken(Unauthenticated):
    """The token is well formed, but nobody that is trusted here signed it for this service."""

    code = "untrusted-token"

    def __init__(self, why: str, *, hint: str = _WANTED) -> None:
        super().__init__(f"the token is not trusted: {why}", field=_HEADER, hint=hint)


class UnusableKey(Invalid):
    """A text that should be a key is none, or one of the wrong kind."""

    code = "unusable-key"

    def __init__(self, why: str, *, hint: str = "give an RSA key of 2048 to 8192 bits in PEM form") -> None:
        super().__init__(f"the key cannot be used: {why}", hint=hint)


class KeyPairExists(Conflict):
    """There is a key pair already, and it was not asked to be replaced."""

    code = "key-pair-exists"

    def __init__(self) -> None:
        super().__init__(
            "this droplet has a key pair already",
            hint="keep it, or replace it knowing that every token it signed becomes worthless",
        )


class SharedKeysExist(Conflict):
    """The folder for the mesh's shared key pair holds one, or a half of one, already."""

    code = "shared-keys-exist"

    def __init__(self) -> None:
        super().__init__(
            "the folder holds private_key.pem or public_key.pem already",
            hint="name another folder; the keys in use must not change under those who use them",
        )


class KeyFileMissing(NotFound):
    """The file of a private key does not exist."""

    code = "key-file-missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no key file {name}", hint="create a key pair first, or correct the setting")
        self.name = name


class KeyFileExposed(Conflict):
    """Other users of the machine may read a private key, so that it is private no longer."""

    code = "key-file-exposed"

    def __init__(self, name: str, *, mode: int) -> None:
        super().__init__(
            f"the key file {name} may be read by others (mode {mode:04o})",
            hint="make it 0600; if others could have read it, replace the key",
        )
        self.name, self.mode = name, mode


class KeyFileUnreadable(Conflict):
    """The file of a private key is there and cannot be read or written."""

    code = "key-file-unreadable"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"the key file {name} cannot be used: {why}",
            hint="make it readable and its folder writable for the user that runs this service",
        )
        self.name = name


class MintingRefused(Invalid):
    """A token like this must not be made."""

    code = "minting-refused"

    def __init__(self, why: str, *, field: str, hint: str) -> None:
        super().__init__(f"no such token is minted: {why}", field=field, hint=hint)


class AddressRefused(Invalid):
    """A peer must not be asked at this address."""

    code = "address-refused"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the mesh is not asked at this address: {why}",
            hint="give an https address without user and password; http is for this machine and PLAIN_HTTP_HOSTS",
        )


class PeerFailed(Unavailable):
    """A peer did not answer as it should; whether it has done what was asked is not known.

    ``pause`` is how long the peer itself asked to be left alone.
    """

    code = "peer-failed"

    def __init__(self, why: str, *, pause: timedelta | None = None) -> None:
        super().__init__(
            f"the peer did not answer as it should: {why}",
            retry_after=pause or timedelta(seconds=30),
            hint="see /dependencies for what is known of it",
        )
        self.why = why
        self.pause = pause


class MalformedKeySet(Invalid):
    """What was served as a set of keys is none that can be used."""

    code = "malformed-key-set"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the key set cannot be used: {why}",
            hint='expected {"keys": [...]} with RSA keys, or {"public_key": "<PEM>"}',
        )


class KeyFetchFailed(Invalid):
    """The address that should serve keys served none."""

    code = "key-fetch-failed"

    def __init__(self, why: str) -> None:
        super().__init__(f"the keys could not be fetched: {why}", hint="look at the Registry and at the address")


class MalformedNetworks(Invalid):
    """A setting that lists networks cannot be read."""

    code = "malformed-networks"

    def __init__(self, why: str, *, field: str) -> None:
        super().__init__(
            f"{field} cannot be read: {why}",
            field=field,
            hint="write networks as 127.0.0.1/32 or 10.0.0.0/8, trusted ones as '10.0.0.0/8 = 5: read, write'",
        )
