import base64
import hashlib
import hmac
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as crypto_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.kernel.errors import ConnectorError, Unauthenticated
from airtable_connector.mesh import (
    ExpiredToken,
    Identity,
    KeyRing,
    MalformedToken,
    MissingToken,
    Permission,
    Source,
    TokenNotYetValid,
    TokenVerifier,
    TrustedKey,
    UntrustedToken,
    UnusableKey,
    signed_claims,
)

Claims = Callable[..., dict[str, Any]]


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def test_a_registry_token_tells_who_calls(registry, verifier, claims: Claims, now) -> None:
    identity = verifier.verify(registry.sign(claims()), at=now)

    assert identity == Identity(5, "Ada", frozenset({Permission.READ, Permission.WRITE}), Source.REGISTRY)


def test_an_audience_may_be_one_of_several(registry, verifier, claims: Claims, now) -> None:
    token = registry.sign(claims(aud=["others", "fullpotential.droplets"]))

    assert verifier.verify(token, at=now).droplet == 5


@pytest.mark.parametrize("sub", ["drop12.fullpotential.ai", "droplet-12", "12"])
def test_a_registry_token_without_droplet_id_is_known_by_its_subject(registry, verifier, claims, now, sub) -> None:
    assert verifier.verify(registry.sign(claims(droplet_id=..., sub=sub)), at=now).droplet == 12


def test_the_droplet_id_goes_before_the_subject(registry, verifier, claims, now) -> None:
    assert verifier.verify(registry.sign(claims(droplet_id="droplet-7", sub="12")), at=now).droplet == 7


@pytest.mark.parametrize("extra", [{}, {"aud": "anybody"}, {"iss": "droplet-12"}])
def test_a_token_of_the_shared_key_needs_neither_issuer_nor_audience(mesh, verifier, claims, now, extra) -> None:
    token = mesh.sign(claims(**{"iss": ..., "aud": ..., **extra}))

    assert verifier.verify(token, at=now).source is Source.MESH


def test_a_token_of_the_shared_key_needs_a_droplet_id(mesh, verifier, claims, now) -> None:
    with pytest.raises(MalformedToken) as refused:
        verifier.verify(mesh.sign(claims(droplet_id=..., sub="drop5.fullpotential.ai")), at=now)
    assert refused.value.claim == "droplet_id"


def test_a_key_that_is_both_the_registrys_and_the_meshs_is_believed_as_either(mesh, claims, now) -> None:
    verifier = TokenVerifier(KeyRing([mesh.key(Source.REGISTRY), mesh.key(Source.MESH)]))

    assert verifier.verify(mesh.sign(claims()), at=now).source is Source.REGISTRY
    assert verifier.verify(mesh.sign(claims(iss=...)), at=now).source is Source.MESH


@pytest.mark.parametrize(
    ("changes", "granted"),
    [
        ({"permissions": ["read", "admin", "fly"]}, {"read", "admin"}),
        ({"permissions": []}, set()),
        ({"permissions": [], "role": "droplet"}, set()),
        ({"permissions": ...}, set()),
        ({"permissions": ..., "role": "droplet"}, {"read", "write"}),
        ({"permissions": ..., "scope": "registry:heartbeat droplet"}, {"read", "write"}),
        ({"permissions": ..., "scope": ["droplet", "admin"]}, {"read", "write"}),
        ({"permissions": ..., "role": "admin"}, set()),
        ({"permissions": ..., "scope": {"droplet": 1}}, set()),
    ],
)
def test_permissions_come_from_the_claim_or_from_the_role_droplet(
    registry, verifier, claims, now, *, changes, granted
) -> None:
    assert verifier.verify(registry.sign(claims(**changes)), at=now).permissions == granted


def test_no_token_is_called_missing(verifier, now) -> None:
    with pytest.raises(MissingToken):
        verifier.verify("", at=now)


def test_an_expired_token_is_refused_to_the_second(registry, verifier, claims, now) -> None:
    token = registry.sign(claims(exp=seconds(now)))

    assert verifier.verify(token, at=now - timedelta(seconds=1)).droplet == 5
    with pytest.raises(ExpiredToken):
        verifier.verify(token, at=now)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused_beyond_the_leeway(registry, verifier, claims, now, claim) -> None:
    within, beyond = seconds(now + timedelta(seconds=30)), seconds(now + timedelta(seconds=31))

    assert verifier.verify(registry.sign(claims(**{claim: within})), at=now).droplet == 5
    with pytest.raises(TokenNotYetValid):
        verifier.verify(registry.sign(claims(**{claim: beyond})), at=now)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "registry.evil.ai"}, {"iss": ...}, {"iss": ["registry.fullpotential.ai"]},
        {"aud": "others"}, {"aud": ...}, {"aud": []}, {"aud": None}, {"aud": {"fullpotential.droplets": 1}},
    ],
)  # fmt: skip
def test_a_registry_token_for_others_or_by_others_is_not_trusted(registry, verifier, claims, now, changes) -> None:
    with pytest.raises(UntrustedToken):
        verifier.verify(registry.sign(claims(**changes)), at=now)


def test_a_token_of_an_unknown_key_is_not_trusted(stranger, verifier, claims, now) -> None:
    with pytest.raises(UntrustedToken):
        verifier.verify(stranger.sign(claims()), at=now)


def test_a_token_whose_claims_were_changed_is_not_trusted(registry, verifier, claims, now) -> None:
    header, _, signature = registry.sign(claims()).split(".")

    with pytest.raises(UntrustedToken):
        verifier.verify(f"{header}.{part(claims(droplet_id=1))}.{signature}", at=now)


@pytest.mark.parametrize("algorithm", ["none", "None", "RS512", "ES256", "rs256", "", None, 5, ["RS256"]])
def test_another_algorithm_is_refused_whatever_the_signature(registry, verifier, claims, now, algorithm) -> None:
    token = f"{part({'alg': algorithm})}.{part(claims())}.{registry.sign(claims()).split('.')[2]}"

    with pytest.raises(UntrustedToken, match="RS256"):
        verifier.verify(token, at=now)


def test_a_token_without_signature_is_refused(verifier, claims, now) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(f"{part({'alg': 'none'})}.{part(claims())}.", at=now)


def test_the_public_key_is_no_secret_for_hs256(registry, verifier, claims, now) -> None:
    message = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims())}"
    forged = hmac.new(registry.public, message.encode(), hashlib.sha256).digest()

    with pytest.raises(UntrustedToken, match="RS256"):
        verifier.verify(f"{message}.{part(forged)}", at=now)


def test_another_rsa_algorithm_of_a_trusted_key_is_refused(registry, verifier, claims, now) -> None:
    token = jwt.encode(claims(), registry.private.reveal(), algorithm="PS256")

    with pytest.raises(UntrustedToken):
        verifier.verify(token, at=now)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": ...}, {"exp": None}, {"exp": "2030-01-01"}, {"exp": True}, {"exp": -1}, {"exp": 1e300},
        {"exp": 10**40}, {"exp": float("nan")}, {"exp": float("inf")}, {"exp": [1]},
        {"iat": "now"}, {"nbf": {}}, {"nbf": float("-inf")},
        {"droplet_id": True}, {"droplet_id": 5.0}, {"droplet_id": -5}, {"droplet_id": 0}, {"droplet_id": 10**30},
        {"droplet_id": None}, {"droplet_id": "somebody"}, {"droplet_id": [5]}, {"droplet_id": ...},
        {"droplet_id": ..., "sub": "user@example.org"},
        {"permissions": "read"}, {"permissions": None}, {"permissions": [["read"]]}, {"permissions": {"read": True}},
        {"steward": 5}, {"steward": "a" * 201},
    ],
)  # fmt: skip
def test_a_claim_of_the_wrong_shape_is_refused(registry, verifier, claims, now, changes) -> None:
    with pytest.raises(MalformedToken):
        verifier.verify(registry.sign(claims(**changes)), at=now)


@pytest.mark.parametrize("payload", [b"[]", b"null", b"\xff\xfe", b"{", b"[" * 5000, b'{"exp":' + b"9" * 5000 + b"}"])
def test_a_signed_payload_that_is_no_object_is_refused(registry, verifier, now, payload) -> None:
    token = jwt.PyJWS().encode(payload, registry.private.reveal(), algorithm="RS256")

    with pytest.raises(MalformedToken):
        verifier.verify(token, at=now)


@pytest.mark.parametrize(
    "token",
    ["x", "a.b", "a.b.c.d", "..", "a..b", "Bearer a.b.c", "\u00e4.\u00f6.\u00fc", "\ud800.b.c", "a.b.c\n", "a" * 9000],
)
def test_a_text_that_is_no_token_is_refused(verifier, now, token) -> None:
    with pytest.raises(MalformedToken):
        verifier.verify(token, at=now)


def test_a_huge_token_is_refused_even_when_it_is_signed(registry, verifier, claims, now) -> None:
    with pytest.raises(MalformedToken, match="longer"):
        verifier.verify(registry.sign(claims(ballast="a" * 8000)), at=now)


@pytest.mark.parametrize("extra", [{"kid": 5}, {"kid": "k" * 300}, {"crit": ["exp"]}, {"b64": True}])
def test_a_header_that_is_not_understood_is_refused(registry, verifier, claims, now, extra) -> None:
    _, payload, signature = registry.sign(claims()).split(".")

    with pytest.raises(MalformedToken):
        verifier.verify(f"{part({'alg': 'RS256', **extra})}.{payload}.{signature}", at=now)


def test_one_token_has_one_spelling(registry, verifier, claims, now) -> None:
    token = registry.sign(claims())
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    neighbour = last[last.index(token[-1]) + 1]  # the same bytes, other spare bits

    for spelling in (token + "==", token + "\n", token[:-1] + neighbour):
        with pytest.raises(MalformedToken):
            verifier.verify(spelling, at=now)


def test_a_token_that_names_its_key_is_tried_with_that_key_and_the_nameless_ones_only(
    registry, mesh, claims, now
) -> None:
    ring = KeyRing([registry.key(key_id="r1"), mesh.key(Source.MESH)])
    verifier = TokenVerifier(ring)

    assert verifier.verify(registry.sign(claims(), kid="r1"), at=now).source is Source.REGISTRY
    assert verifier.verify(registry.sign(claims()), at=now).source is Source.REGISTRY
    assert verifier.verify(mesh.sign(claims(), kid="whatever"), at=now).source is Source.MESH
    with pytest.raises(UntrustedToken):
        verifier.verify(registry.sign(claims(), kid="r2"), at=now)


def test_only_a_key_that_is_not_known_is_asked_for(registry, stranger, claims, now) -> None:
    ring = KeyRing([registry.key(key_id="r1")])
    asked: list[str] = []
    ring.call_when_unknown(lambda: asked.append("early"))
    verifier = TokenVerifier(ring)

    for token in (stranger.sign(claims(), kid="r1"), registry.sign(claims(exp=1), kid="r1"), "garbage"):
        with pytest.raises(Unauthenticated):
            verifier.verify(token, at=now)
    assert asked == []

    for token in (stranger.sign(claims(), kid="s1"), stranger.sign(claims())):
        with pytest.raises(UntrustedToken):
            verifier.verify(token, at=now)
    assert asked == ["early", "early"]


def test_a_verified_token_is_remembered(registry, claims, now) -> None:
    verifier = TokenVerifier(KeyRing([registry.key()]))
    token = registry.sign(claims())

    assert verifier.verify(token, at=now) is verifier.verify(token, at=now)


def test_a_remembered_token_dies_when_it_expires(registry, verifier, claims, now) -> None:
    token = registry.sign(claims(exp=seconds(now) + 60))
    verifier.verify(token, at=now)

    with pytest.raises(ExpiredToken):
        verifier.verify(token, at=now + timedelta(seconds=60))


def test_a_remembered_token_dies_when_its_key_is_trusted_no_more(registry, mesh, claims, now) -> None:
    ring = KeyRing([registry.key()])
    verifier = TokenVerifier(ring)
    token = registry.sign(claims())
    verifier.verify(token, at=now)

    ring.replace_fixed([mesh.key(Source.MESH)])

    with pytest.raises(UntrustedToken):
        verifier.verify(token, at=now)


def test_refusals_are_not_remembered(registry, claims, now) -> None:
    ring = KeyRing()
    verifier = TokenVerifier(ring)
    token = registry.sign(claims())
    with pytest.raises(UntrustedToken):
        verifier.verify(token, at=now)

    ring.replace_fetched([registry.key()])

    assert verifier.verify(token, at=now).droplet == 5


def test_the_cache_is_bounded(registry, claims, now) -> None:
    verifier = TokenVerifier(KeyRing([registry.key()]), cache_size=3)
    tokens = [registry.sign(claims(droplet_id=number)) for number in range(1, 6)]

    for token in [*tokens, tokens[0]]:
        verifier.verify(token, at=now)

    assert len(verifier._remembered) == 3


def test_a_big_token_is_verified_each_time(registry, verifier, claims, now) -> None:
    token = registry.sign(claims(ballast="a" * 3000))

    assert verifier.verify(token, at=now) is not verifier.verify(token, at=now)


def test_a_key_that_is_none_is_told_when_warming_up_and_does_no_harm_to_the_others(registry, claims, now) -> None:
    verifier = TokenVerifier(KeyRing([TrustedKey(Source.MESH, b"no key"), registry.key()]))

    with pytest.raises(UnusableKey):
        verifier.warm_up()
    assert verifier.verify(registry.sign(claims()), at=now).droplet == 5


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a_weak_key_is_not_used(bits) -> None:
    weak = crypto_rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(UnusableKey, match=str(bits)):
        TokenVerifier(KeyRing([TrustedKey(Source.MESH, pem)])).warm_up()


def test_a_private_key_is_not_taken_for_a_public_one(mesh) -> None:
    ring = KeyRing([TrustedKey(Source.MESH, mesh.private.reveal().encode())])

    with pytest.raises(UnusableKey, match="private"):
        TokenVerifier(ring).warm_up()


def test_nothing_that_is_shown_holds_a_token_or_a_key(registry, stranger, claims, now, caplog) -> None:
    ring = KeyRing([registry.key()])
    verifier = TokenVerifier(ring)
    caplog.set_level(logging.DEBUG)
    good, bad = registry.sign(claims()), stranger.sign(claims())
    verifier.verify(good, at=now)
    with pytest.raises(UntrustedToken) as refused:
        verifier.verify(bad, at=now)
    with pytest.raises(MalformedToken) as strange:
        verifier.verify("secret." + good, at=now)

    shown = "".join(
        f"{thing!r} {thing}" for thing in (verifier, ring, ring.keys, registry.private, refused.value, strange.value)
    )
    shown += str([(error.hint, error.facts, error.__cause__) for error in (refused.value, strange.value)])
    for secret in (*good.split("."), *bad.split("."), registry.public.decode().splitlines()[1]):
        assert secret not in shown + caplog.text


def test_every_refusal_says_what_to_do(verifier, now) -> None:
    for token in ("", "x", f"{part({'alg': 'none'})}.e30.e30"):
        with pytest.raises(ConnectorError) as refused:
            verifier.verify(token, at=now)
        assert refused.value.hint
        assert refused.value.field == "Authorization"


def test_importing_the_face_loads_neither_cryptography_nor_a_client() -> None:
    check = (
        "import sys, airtable_connector.mesh;"
        "print([name for name in ('jwt', 'cryptography', 'httpx2') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=30, check=True)

    assert shown.stdout.strip() == "[]"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(
    ["exp", "iat", "nbf", "iss", "aud", "droplet_id", "sub", "permissions", "role", "scope", "steward"]
)


@given(token=st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused_as_a_token_and_nothing_else(token: str) -> None:
    with pytest.raises(Unauthenticated):
        TokenVerifier(KeyRing()).verify(token, at=datetime.fromisoformat("2026-01-05T12:00:00Z"))


@given(
    header=st.binary(max_size=80) | json_values | st.just({"alg": "RS256"}), payload=json_values, signature=st.binary()
)
def test_any_token_shaped_text_is_refused_as_a_token_and_nothing_else(registry, header, payload, signature) -> None:
    verifier = TokenVerifier(KeyRing([registry.key()]))

    with pytest.raises(Unauthenticated):
        verifier.verify(
            f"{part(header)}.{part(payload)}.{part(signature)}", at=datetime.fromisoformat("2026-01-05T12:00:00Z")
        )


@given(changes=st.dictionaries(names, json_values, max_size=4))
def test_any_signed_claims_make_an_identity_or_a_refusal(mesh, changes) -> None:
    verifier = TokenVerifier(KeyRing([mesh.key(Source.MESH), mesh.key()]))
    token = mesh.sign({"exp": 2e9, "droplet_id": 5, **changes})

    try:
        identity = verifier.verify(token, at=datetime.fromisoformat("2026-01-05T12:00:00Z"))
    except Unauthenticated:
        return
    assert identity.droplet >= 1
    assert identity.permissions <= set(Permission)


def test_signed_claims_are_told_unjudged_once_the_signature_is_proven(registry, claims: Claims) -> None:
    odd = claims(exp=0, aud="somebody else", iss=..., droplet_id=...)

    assert signed_claims(registry.sign(odd), by=registry.public) == odd


def test_claims_that_another_key_signed_are_not_told(registry, stranger, claims: Claims) -> None:
    with pytest.raises(UntrustedToken):
        signed_claims(stranger.sign(claims()), by=registry.public)
