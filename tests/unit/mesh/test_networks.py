import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.mesh import (
    UNKNOWN_ADDRESS,
    Identity,
    MalformedNetworks,
    Permission,
    Source,
    client_address,
    parse_proxies,
    parse_trusted_networks,
)

SETTING = "127.0.0.1/32 = 5: read, write; 10.0.0.0/8 = droplet-10: read; 10.1.0.0/16 = 11: write; fd00::/8 = 12: read"


@pytest.mark.parametrize(
    ("address", "droplet"),
    [
        ("127.0.0.1", 5),
        ("127.0.0.2", None),
        ("::ffff:127.0.0.1", 5),
        ("10.9.9.9", 10),
        ("10.1.2.3", 11),
        ("fd00::1", 12),
        ("fd00::1%eth0", 12),
        ("::1", None),
        ("", None),
        ("testclient", None),
        (UNKNOWN_ADDRESS, None),
        ("127.0.0.1:80", None),
        ("127.1", None),
    ],
)
def test_an_address_is_the_droplet_of_the_narrowest_network_it_lies_in(address, droplet) -> None:
    identity = parse_trusted_networks(SETTING).identify(address)

    assert (identity.droplet if identity else None) == droplet


def test_a_network_gives_the_permissions_that_stand_there() -> None:
    identity = parse_trusted_networks(SETTING).identify("127.0.0.1")

    assert identity == Identity(5, "", frozenset({Permission.READ, Permission.WRITE}), Source.NETWORK)


@pytest.mark.parametrize("text", ["", "  ", ";;", "\n"])
def test_an_empty_setting_trusts_nobody(text) -> None:
    assert parse_trusted_networks(text).identify("127.0.0.1") is None


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("127.0.0.1 = 5: admin", "admin"),
        ("127.0.0.1 = 5: read, admin", "admin"),
        ("127.0.0.1 = 5: raed", "raed"),
        ("127.0.0.1 = 5:", "permission"),
        ("127.0.0.1 = 5", "permissions"),
        ("127.0.0.1", "permissions"),
        ("127.0.0.1 = nobody: read", "nobody"),
        ("10.0.0.1/8 = 5: read", "10.0.0.1/8"),
        ("localhost = 5: read", "localhost"),
        ("127.0.0.1 = 5: read; 127.0.0.1/32 = 6: read", "twice"),
        ("; ".join(f"10.0.{n // 256}.{n % 256} = 5: read" for n in range(300)), "256"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(text, because) -> None:
    with pytest.raises(MalformedNetworks, match=because) as refused:
        parse_trusted_networks(text)
    assert refused.value.field == "TRUSTED_NETWORKS"


def test_a_proxy_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedNetworks, match="nginx"):
        parse_proxies("10.0.0.1, nginx")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.7,10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "127.0.0.1, garbage", UNKNOWN_ADDRESS),
        ("10.0.0.1", "127.0.0.1, ", UNKNOWN_ADDRESS),
        ("10.0.0.1", "", UNKNOWN_ADDRESS),
        ("10.0.0.1", "127.0.0.1, unknown, 10.0.0.2", UNKNOWN_ADDRESS),
        ("", "127.0.0.1", ""),
    ],
)
def test_the_forwarded_address_is_believed_from_proxies_only_and_from_the_right(peer, forwarded_for, client) -> None:
    assert client_address(peer, forwarded_for, parse_proxies("10.0.0.0/24")) == client


def test_without_proxies_nobody_is_believed() -> None:
    assert client_address("10.0.0.1", "127.0.0.1", ()) == "10.0.0.1"


@given(forwarded_for=st.text() | st.lists(st.ip_addresses().map(str)).map(",".join))
def test_no_header_makes_a_stranger_an_address_that_a_proxy_did_not_write(forwarded_for: str) -> None:
    proxies = parse_proxies("10.0.0.1")

    assert client_address("203.0.113.9", forwarded_for, proxies) == "203.0.113.9"
    assert client_address("10.0.0.1", forwarded_for + ",198.51.100.7", proxies) == "198.51.100.7"
    client_address("10.0.0.1", forwarded_for, proxies)


def test_a_long_chain_of_proxies_is_read_to_a_bound() -> None:
    address = client_address("10.0.0.1", "127.0.0.1," + "10.0.0.1," * 1000 + "10.0.0.1", parse_proxies("10.0.0.1"))

    assert address == "10.0.0.1"
