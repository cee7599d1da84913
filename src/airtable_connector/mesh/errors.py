"""What goes wrong with identities, keys and the settings that describe them.

No message here carries a token, a key, a path or a value taken from a token.
"""

from datetime import datetime, timedelta

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)

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
        self.why = why


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


class MalformedMessage(Invalid):
    """A message lacks a member, or one is not what UDC asks for."""

    code = "malformed-message"

    def __init__(self, member: str, what: str, *, expected: str) -> None:
        super().__init__(f"{member} {what}", field=member, hint=f"expected: {expected}")


class NotOurMessage(Invalid):
    """A message is for somebody else, and we pass nothing on."""

    code = "not-our-message"

    def __init__(self, target: str, us: int) -> None:
        super().__init__(
            f"this message is for {target[:80]!r}, and this is droplet {us}",
            field="target",
            hint="send it to that droplet itself; nothing is passed on from here",
        )


class ForeignSource(Forbidden):
    """A message names another sender than the one who proved to send it."""

    code = "foreign-source"

    def __init__(self, source: str, caller: int) -> None:
        super().__init__(
            f"the message says it comes from {source[:80]!r}, the token says droplet {caller}",
            field="source",
            hint="send as yourself",
        )


class UntrustedSignature(Unauthenticated):
    """A message's signature is no token that we believe."""

    code = "untrusted-signature"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the signature is not to be believed: {why}",
            field="signature",
            hint="sign with a token of yours that is valid now, or leave the signature out",
        )


class ForeignSignature(Forbidden):
    """A message is signed by another droplet than the one who sends it."""

    code = "foreign-signature"

    def __init__(self, signer: int, caller: int) -> None:
        super().__init__(
            f"the signature is droplet {signer}'s, the caller is droplet {caller}",
            field="signature",
            hint="sign with your own token, or leave the signature out",
        )


class TraceReused(Conflict):
    """A trace_id came with another message before."""

    code = "trace-id-reused"

    def __init__(self) -> None:
        super().__init__(
            "this trace_id was used for another message before",
            field="trace_id",
            hint="give each message a trace_id of its own; repeat one only with the very same message",
        )


class AnswerTooLarge(Invalid):
    """What a message asks for is more than one answer may hold."""

    code = "answer-too-large"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the answer would be longer than {most} bytes",
            field="payload",
            hint="ask for fewer records with limit, or for fewer fields",
            facts={"most": most},
        )


class TargetUnknown(NotFound):
    """No directory of the mesh knows a droplet of that id or name."""

    code = "target-unknown"

    def __init__(self, target: str) -> None:
        super().__init__(
            f"no directory of the mesh knows {target[:80]!r}; nothing was sent",
            field="target",
            hint="/dependencies lists the droplets that are known",
        )


class OutboxFull(LimitReached):
    """As many messages wait as are kept; this one was not taken."""

    code = "outbox-full"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} messages wait to be sent; this one was not taken",
            retry_after=timedelta(seconds=60),
            hint="see /messages?state=queued; cancel what is not wanted any more",
        )


class LetterNotFound(NotFound):
    """No message was sent under this trace_id."""

    code = "message-not-found"

    def __init__(self, trace_id: str) -> None:
        super().__init__(f"no message was sent under the trace_id {trace_id[:80]!r}", hint="/messages lists them")


class LetterEnded(Conflict):
    """A message's state does not allow it."""

    code = "message-ended"

    def __init__(self, state: str, allowed: str) -> None:
        super().__init__(f"the message is {state}", hint=f"possible only while it is {allowed}")


class DropletAddressRefused(Invalid):
    """No droplet can be examined at this address; it is not shown, for it may hold a password."""

    code = "droplet-address-refused"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no droplet is examined at this address: {why}",
            hint="give it as https://drop2.example.org, without user, password or query",
        )


class UnsendableToken(Invalid):
    """A text that should be a token cannot be shown to anybody; whether it is one was not looked at."""

    code = "unsendable-token"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the token cannot be sent: {why}", hint="give it alone, as 'airtable-connector token' prints it"
        )


class AccessTokenUnknown(Unauthenticated):
    """What looks like an access token is none of ours, or was revoked."""

    code = "access-token-unknown"

    def __init__(self) -> None:
        super().__init__(
            "the access token is not known here, or was revoked",
            field=_HEADER,
            hint="make one with 'airtable-connector token create'",
        )


class AccessTokenExpired(Unauthenticated):
    """An access token was good and is no longer."""

    code = "access-token-expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"the access token expired at {iso(expired_at)}",
            field=_HEADER,
            hint="make another with 'airtable-connector token create'",
        )
        self.expired_at = expired_at


class AccessTokenElsewhere(Unauthenticated):
    """An access token is shown outside of Airtable's Web API."""

    code = "access-token-elsewhere"

    def __init__(self) -> None:
        super().__init__("access tokens are for the paths below /v0/ only", field=_HEADER, hint=_WANTED)


class AccessTokenNotFound(NotFound):
    """No access token has this id."""

    code = "access-token-not-found"

    def __init__(self) -> None:
        super().__init__("there is no access token of this id", hint="'airtable-connector token list' shows them")


class TooManyAccessTokens(Conflict):
    """As many access tokens are valid as are kept at most."""

    code = "too-many-access-tokens"

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"there are {most} access tokens, and none of them has ended",
            hint="revoke one that nobody uses; 'airtable-connector token list' shows when each was used last",
        )
