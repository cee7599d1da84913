"""Signed addresses of attachments: put where they belong, and nowhere else."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from tests.fakes import FakeClock

from airtable_connector.records import AttachmentAddresses, AttachmentAddressExpired, AttachmentAddressRefused

DIGEST = "0123456789abcdef" * 4
ITEM = {
    "id": "att" + "A" * 14,
    "url": f"attachment:{DIGEST}",
    "size": 5,
    "type": "text/plain",
    "filename": 'ä "\\\n.txt',
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def addresses(clock: FakeClock) -> AttachmentAddresses:
    return AttachmentAddresses(b"key", lifetime=timedelta(hours=2), clock=clock)


def shown(addresses: AttachmentAddresses, value: Any) -> Any:
    return orjson.loads(addresses.show(orjson.dumps(value), "https://x.example"))


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.mark.parametrize("place", [lambda item: [item], lambda item: {"fields": {"Files": [1, item], "n": [item]}}])
def test_an_attachment_in_a_list_gets_an_address(addresses: AttachmentAddresses, place: Any) -> None:
    url = shown(addresses, [ITEM])[0]["url"]
    assert url.startswith(f"https://x.example/attachments/{DIGEST}?")
    assert shown(addresses, place(ITEM)) == place({**ITEM, "url": url})
    assert addresses.check(DIGEST, parameters(url)).filename == ITEM["filename"]
    # the feed has the members in the order of their names
    assert shown(addresses, place(dict(sorted(ITEM.items())))) == place({**ITEM, "url": url})


@pytest.mark.parametrize(
    "value",
    [
        {"fields": ITEM},
        [orjson.dumps([ITEM]).decode()],
        {"Notes": f'[{{"id":"att{"A" * 14}","url":"attachment:{DIGEST}","size":5,"type":"a/b","filename":"x"}}]'},
        [{**ITEM, "url": "attachment:x"}],
        [{**ITEM, "id": "rec" + "A" * 14}],
        [{"id": ITEM["id"], "url": "https://x.example/a", "filename": "x"}],
    ],
)
def test_what_only_looks_like_an_attachment_is_left_alone(addresses: AttachmentAddresses, value: Any) -> None:
    assert shown(addresses, value) == value


def test_an_address_works_for_its_time(addresses: AttachmentAddresses, clock: FakeClock) -> None:
    url = shown(addresses, [ITEM])[0]["url"]
    clock.step(timedelta(hours=2, microseconds=-1))
    addresses.check(DIGEST, parameters(url))
    clock.step(timedelta(microseconds=1))
    with pytest.raises(AttachmentAddressExpired):
        addresses.check(DIGEST, parameters(url))


def test_an_address_of_another_key_is_refused(addresses: AttachmentAddresses, clock: FakeClock) -> None:
    other = AttachmentAddresses(b"other", lifetime=timedelta(hours=2), clock=clock)
    url = shown(other, [ITEM])[0]["url"]
    with pytest.raises(AttachmentAddressRefused):
        addresses.check(DIGEST, parameters(url))
