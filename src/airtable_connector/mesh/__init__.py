"""Being a member of the mesh: telling who calls, proving who we are, and examining other members.

Importing this loads no cryptography and no HTTP client; `TokenVerifier.warm_up` loads the former.
"""

from airtable_connector.mesh.doctor.check import Check
from airtable_connector.mesh.doctor.examination import Examination
from airtable_connector.mesh.doctor.examine import CHECKS, examine
from airtable_connector.mesh.doctor.outcomes import Failed, Held, Outcome, Severity, Skipped
from airtable_connector.mesh.doctor.report import Finding, Report
from airtable_connector.mesh.errors import (
    DropletAddressRefused,
    ExpiredToken,
    KeyAddressRefused,
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
    TokenNotYetValid,
    UnsendableToken,
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
from airtable_connector.mesh.tokens.verifier import LEEWAY, TokenVerifier

__all__ = [
    "CHECKS",
    "KEY_FILE",
    "LEEWAY",
    "LONGEST_LIFETIME",
    "OWN_ISSUER",
    "UNKNOWN_ADDRESS",
    "Check",
    "DropletAddressRefused",
    "Examination",
    "ExpiredToken",
    "Failed",
    "Finding",
    "Held",
    "Identity",
    "KeyAddressRefused",
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
    "Outcome",
    "OwnKeyPair",
    "Permission",
    "RegistryKeys",
    "Report",
    "Severity",
    "Skipped",
    "Source",
    "TokenNotYetValid",
    "TokenVerifier",
    "TrustedKey",
    "TrustedNetwork",
    "TrustedNetworks",
    "UnsendableToken",
    "UntrustedToken",
    "UnusableKey",
    "client_address",
    "create_key_pair",
    "examine",
    "load_key_pair",
    "mint",
    "parse_droplet_id",
    "parse_proxies",
    "parse_trusted_networks",
    "public_half",
    "read_private_key",
    "replace_key_pair",
]
