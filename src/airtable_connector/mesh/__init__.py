"""Being a member of the mesh: telling who calls, and proving who we are.

Importing this loads no cryptography and no HTTP client; `TokenVerifier.warm_up` loads the former.
"""

from airtable_connector.mesh.calling import LARGEST_ANSWER, PeerClient, Reply
from airtable_connector.mesh.contacts import Contact, Contacts, PeerBack, PeerLost
from airtable_connector.mesh.errors import (
    AddressRefused,
    ExpiredToken,
    KeyFetchFailed,
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnreadable,
    KeyPairExists,
    MalformedKeySet,
    MalformedNetworks,
    MalformedToken,
    MintingRefused,
    MissingToken,
    PeerFailed,
    TokenNotYetValid,
    UntrustedToken,
    UnusableKey,
)
from airtable_connector.mesh.tokens.fetching import (
    KeysDropped,
    KeysFetched,
    KeysFetchFailed,
    KeySource,
    RegistryKeys,
)
from airtable_connector.mesh.tokens.identity import Identity, Permission, Source, parse_droplet_id
from airtable_connector.mesh.tokens.keys import KeyRing, TrustedKey
from airtable_connector.mesh.tokens.minting import LONGEST_LIFETIME, OWN_ISSUER, mint
from airtable_connector.mesh.tokens.networks import (
    UNKNOWN_ADDRESS,
    TrustedNetwork,
    TrustedNetworks,
    client_address,
    parse_proxies,
    parse_trusted_networks,
)
from airtable_connector.mesh.tokens.own_keys import (
    KEY_FILE,
    OwnKeyPair,
    create_key_pair,
    load_key_pair,
    public_half,
    read_private_key,
    replace_key_pair,
)
from airtable_connector.mesh.tokens.verifier import LEEWAY, TokenVerifier, signed_claims

__all__ = [
    "KEY_FILE",
    "LARGEST_ANSWER",
    "LEEWAY",
    "LONGEST_LIFETIME",
    "OWN_ISSUER",
    "UNKNOWN_ADDRESS",
    "AddressRefused",
    "Contact",
    "Contacts",
    "ExpiredToken",
    "Identity",
    "KeyFetchFailed",
    "KeyFileExposed",
    "KeyFileMissing",
    "KeyFileUnreadable",
    "KeyPairExists",
    "KeyRing",
    "KeySource",
    "KeysDropped",
    "KeysFetchFailed",
    "KeysFetched",
    "MalformedKeySet",
    "MalformedNetworks",
    "MalformedToken",
    "MintingRefused",
    "MissingToken",
    "OwnKeyPair",
    "PeerBack",
    "PeerClient",
    "PeerFailed",
    "PeerLost",
    "Permission",
    "RegistryKeys",
    "Reply",
    "Source",
    "TokenNotYetValid",
    "TokenVerifier",
    "TrustedKey",
    "TrustedNetwork",
    "TrustedNetworks",
    "UntrustedToken",
    "UnusableKey",
    "client_address",
    "create_key_pair",
    "load_key_pair",
    "mint",
    "parse_droplet_id",
    "parse_proxies",
    "parse_trusted_networks",
    "public_half",
    "read_private_key",
    "replace_key_pair",
    "signed_claims",
]
