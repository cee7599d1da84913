"""Being a member of the mesh: telling who calls, and proving who we are.

Importing this loads no cryptography and no HTTP client; `TokenVerifier.warm_up` loads the former.
"""

from airtable_connector.mesh.calling import LARGEST_ANSWER, PeerClient, Reply
from airtable_connector.mesh.contacts import Contact, Contacts, PeerBack, PeerLost
from airtable_connector.mesh.directory import PeerEntry, read_directory
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
    SharedKeysExist,
    TokenNotYetValid,
    UntrustedToken,
    UnusableKey,
)
from airtable_connector.mesh.membership import (
    ORCHESTRATOR,
    REGISTRY,
    Condition,
    Introduction,
    Left,
    Registered,
    Rhythm,
)
from airtable_connector.mesh.orchestrator import OrchestratorMember
from airtable_connector.mesh.registry import RegistryMember
from airtable_connector.mesh.tasks import (
    TaskCrashed,
    TaskFinished,
    TaskHandler,
    TaskReturned,
    TaskRunner,
    TasksReadable,
    TasksUnreadable,
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
from airtable_connector.mesh.tokens.shared_keys import create_shared_pair
from airtable_connector.mesh.tokens.verifier import LEEWAY, TokenVerifier, signed_claims

__all__ = [
    "KEY_FILE",
    "LARGEST_ANSWER",
    "LEEWAY",
    "LONGEST_LIFETIME",
    "ORCHESTRATOR",
    "OWN_ISSUER",
    "REGISTRY",
    "UNKNOWN_ADDRESS",
    "AddressRefused",
    "Condition",
    "Contact",
    "Contacts",
    "ExpiredToken",
    "Identity",
    "Introduction",
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
    "Left",
    "MalformedKeySet",
    "MalformedNetworks",
    "MalformedToken",
    "MintingRefused",
    "MissingToken",
    "OrchestratorMember",
    "OwnKeyPair",
    "PeerBack",
    "PeerClient",
    "PeerEntry",
    "PeerFailed",
    "PeerLost",
    "Permission",
    "Registered",
    "RegistryKeys",
    "RegistryMember",
    "Reply",
    "Rhythm",
    "SharedKeysExist",
    "Source",
    "TaskCrashed",
    "TaskFinished",
    "TaskHandler",
    "TaskReturned",
    "TaskRunner",
    "TasksReadable",
    "TasksUnreadable",
    "TokenNotYetValid",
    "TokenVerifier",
    "TrustedKey",
    "TrustedNetwork",
    "TrustedNetworks",
    "UntrustedToken",
    "UnusableKey",
    "client_address",
    "create_key_pair",
    "create_shared_pair",
    "load_key_pair",
    "mint",
    "parse_droplet_id",
    "parse_proxies",
    "parse_trusted_networks",
    "public_half",
    "read_directory",
    "read_private_key",
    "replace_key_pair",
    "signed_claims",
]
