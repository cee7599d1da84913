import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import (
    KEY_FILE,
    OWN_ISSUER,
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnreadable,
    KeyPairExists,
    KeyRing,
    MintingRefused,
    Permission,
    Source,
    TokenVerifier,
    TrustedKey,
    UntrustedToken,
    UnusableKey,
    create_key_pair,
    load_key_pair,
    mint,
    public_half,
    read_private_key,
    replace_key_pair,
)
from airtable_connector.mesh.tokens import rsa

READ_WRITE = frozenset({Permission.READ, Permission.WRITE})


def minted(private: Secret, now: datetime, **changes: Any) -> str:
    wanted = {"droplet": 5, "steward": "Ada", "permissions": READ_WRITE, "lifetime": timedelta(hours=1)}
    return mint(private, issued_at=now, **{**wanted, **changes})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "keys"
    create_key_pair(folder)
    return folder


def test_a_key_pair_is_what_was_created(tmp_path) -> None:
    created = create_key_pair(tmp_path / "keys")

    assert load_key_pair(tmp_path / "keys") == created


def test_a_key_file_is_for_its_owner_only(kept) -> None:
    assert stat.S_IMODE((kept / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert list(kept.iterdir()) == [kept / KEY_FILE]


def test_a_key_pair_is_not_overwritten_unless_told(tmp_path) -> None:
    first = create_key_pair(tmp_path)
    with pytest.raises(KeyPairExists):
        create_key_pair(tmp_path)
    assert load_key_pair(tmp_path) == first

    second = replace_key_pair(tmp_path)

    assert second.key_id != first.key_id
    assert load_key_pair(tmp_path) == second
    assert list(tmp_path.iterdir()) == [tmp_path / KEY_FILE]


def test_of_two_that_create_at_once_one_is_refused(tmp_path) -> None:
    def attempt(_: int) -> str:
        try:
            return create_key_pair(tmp_path).key_id
        except KeyPairExists:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(attempt, range(2)))

    assert sorted(end == "refused" for end in ends) == [False, True]
    assert load_key_pair(tmp_path).key_id in ends


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_may_read_is_refused(kept, tmp_path, mode) -> None:
    copy = tmp_path / KEY_FILE
    copy.write_bytes((kept / KEY_FILE).read_bytes())
    copy.chmod(mode)

    with pytest.raises(KeyFileExposed, match=f"{mode:04o}"):
        load_key_pair(tmp_path)
    with pytest.raises(KeyFileExposed):
        read_private_key(copy)


def test_a_missing_or_unreadable_key_file_is_told_apart(tmp_path) -> None:
    with pytest.raises(KeyFileMissing):
        load_key_pair(tmp_path)
    (tmp_path / KEY_FILE).mkdir(mode=0o700)
    with pytest.raises(KeyFileUnreadable) as refused:
        load_key_pair(tmp_path)
    assert str(tmp_path) not in refused.value.message


def test_a_folder_that_cannot_be_made_is_told(tmp_path) -> None:
    (tmp_path / "file.txt").write_text("")

    with pytest.raises(KeyFileUnreadable):
        create_key_pair(tmp_path / "file.txt" / "keys")


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "\xe4"])
def test_a_file_without_a_private_key_is_refused(tmp_path, text) -> None:
    (tmp_path / KEY_FILE).write_text(text, encoding="utf-8")
    (tmp_path / KEY_FILE).chmod(0o600)

    with pytest.raises(UnusableKey):
        load_key_pair(tmp_path)


def test_a_private_key_put_there_by_hand_will_do(mesh, tmp_path) -> None:
    (tmp_path / KEY_FILE).write_text(mesh.private.reveal())
    (tmp_path / KEY_FILE).chmod(0o600)

    pair = load_key_pair(tmp_path)

    assert pair.public_pem == mesh.public
    assert read_private_key(tmp_path / KEY_FILE) == mesh.private


def test_a_broken_private_key_is_refused_without_showing_it(now) -> None:
    broken = Secret("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")

    for use in (lambda: public_half(broken), lambda: minted(broken, now)):
        with pytest.raises(UnusableKey) as refused:
            use()
        assert "c2VjcmV0" not in f"{refused.value} {refused.value.__cause__}"


def test_the_repr_of_a_key_pair_hides_its_keys(kept) -> None:
    pair = load_key_pair(kept)

    assert repr(pair) == f"OwnKeyPair(key_id='{pair.key_id}', private_pem=Secret(***))"
    assert "BEGIN" not in repr(pair.trusted())


def test_the_key_id_is_the_rfc_7638_thumbprint() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok"
        "njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
        "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
        "wapJzKnqDKgw"
    )
    number = int.from_bytes(base64.urlsafe_b64decode(modulus + "=="), "big")
    pem = rsa.public_pem_of_numbers(modulus=number, exponent=65537)

    assert rsa.thumbprint(pem) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # the RFC's own example


def test_others_can_verify_our_tokens_with_our_key_set(kept, now) -> None:
    pair = load_key_pair(kept)
    token = minted(pair.private_pem, now, key_id=pair.key_id)

    key = jwt.PyJWKSet.from_dict(dict(pair.jwks()))[pair.key_id]

    unaged = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, key, algorithms=["RS256"], options=unaged)["steward"] == "Ada"
    assert set(pair.jwks()["keys"][0]) == {"kty", "use", "alg", "kid", "n", "e"}


def test_a_minted_token_comes_back_as_the_identity_it_was_minted_for(kept, now) -> None:
    pair = load_key_pair(kept)
    verifier = TokenVerifier(KeyRing([pair.trusted()]))

    for permissions in (READ_WRITE, frozenset(Permission), frozenset()):
        token = minted(pair.private_pem, now, permissions=permissions, issuer=OWN_ISSUER, key_id=pair.key_id)
        identity = verifier.verify(token, at=now)
        assert (identity.droplet, identity.steward, identity.source) == (5, "Ada", Source.OWN)
        assert identity.permissions == permissions


def test_permissions_may_be_handed_over_once(mesh, now) -> None:
    token = minted(mesh.private, now, permissions=iter([Permission.WRITE, Permission.READ]))

    verifier = TokenVerifier(KeyRing([TrustedKey(Source.MESH, mesh.public)]))
    assert verifier.verify(token, at=now).permissions == READ_WRITE


def test_a_token_of_our_key_with_another_issuer_is_not_for_our_callers(kept, now) -> None:
    pair = load_key_pair(kept)
    verifier = TokenVerifier(KeyRing([pair.trusted()]))

    with pytest.raises(UntrustedToken):
        verifier.verify(minted(pair.private_pem, now, key_id=pair.key_id), at=now)


def test_a_token_for_the_orchestrator_has_exactly_the_claims_it_takes(mesh, now) -> None:
    token = minted(mesh.private, now, droplet=2)

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {
        "droplet_id": 2,
        "steward": "Ada",
        "permissions": ["read", "write"],
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 3600,
    }
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "changes",
    [
        {"droplet": 0},
        {"droplet": -1},
        {"droplet": 2**31},
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=400)},
    ],
)
def test_a_token_that_could_not_be_used_is_not_minted(mesh, now, changes) -> None:
    with pytest.raises(MintingRefused) as refused:
        minted(mesh.private, now, **changes)
    assert refused.value.field in changes
