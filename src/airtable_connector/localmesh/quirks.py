"""Where the real Orchestrator departs from what is written about it: one table of facts.

Code asks ``Quirk.X in quirks``; the manual's table and the tests read the same members. Registries do not depart, they
differ: see `airtable_connector.localmesh.settings.Generation`.
"""

from enum import Enum
from typing import Final, TypeAlias


class Quirk(Enum):
    """One departure: its name, the section of the mesh contract it was observed for, what is real, what is written."""

    FIRST_REGISTRATION_FAILS = (
        "first-registration-fails",
        "2.4",
        "the first registration of a droplet answers 500, although its row is inserted",
        "it answers 201 with status new",
    )
    LONG_ENDPOINT_CRASHES = (
        "long-endpoint-crashes",
        "2.4",
        "an endpoint of more than 255 characters answers 500",
        "it answers 422",
    )
    DROPLET_READ_CRASHES = (
        "droplet-read-crashes",
        "2.6",
        "GET /droplets/{id} of a registered droplet answers 500",
        "it answers the droplet",
    )
    QUOTE_CRASHES = (
        "quote-crashes",
        "2.6",
        "a quote in ?capability= answers 500",
        "no droplet has such a capability, so the list is empty",
    )
    STATUS_CRASHES = (
        "status-crashes",
        "2.5",
        "a heartbeat whose status is none of the three words answers 500",
        "it answers 422",
    )
    BEAT_TYPES_REFUSED = (
        "beat-types-refused",
        "2.3",
        "envelopes with message_type heartbeat or registration answer 400",
        "they are taken",
    )
    VERSION_MAKES_THE_ENVELOPE = (
        "version-makes-the-envelope",
        "2.3",
        "an envelope without udc_version is read as a plain payload, and so answers 422",
        "message_type and payload are enough",
    )
    PAYLOAD_CRASHES = (
        "payload-crashes",
        "2.3",
        "a body or a payload that is no object answers 500",
        "it answers 422",
    )
    ONE_KIND_OF_404 = (
        "one-kind-of-404",
        "2.2",
        "every 404 says 'Endpoint not found', also for an unknown droplet or task",
        "the detail says what was not found",
    )
    TEXT_FOR_JSON = (
        "text-for-json",
        "2.6, 2.8",
        "capabilities, and a task's payload and result, are JSON texts",
        "they are a list and objects",
    )
    SELF_INACTIVE = (
        "self-inactive",
        "2.5",
        "the Orchestrator never beats, so it lists itself inactive after 90 s",
        "it lists itself active",
    )
    FOREIGN_TASKS = (
        "foreign-tasks",
        "2.8",
        "GET /tasks?assigned_droplet_id= of an unregistered droplet answers everybody's tasks",
        "it answers none",
    )
    SENT_UNDER_ANOTHER_TRACE = (
        "sent-under-another-trace",
        "2.7",
        "/send answers another trace_id than the message it sent carries",
        "it answers the message's",
    )

    def __init__(self, label: str, section: str, real: str, written: str) -> None:
        self.label = label
        self.section = section
        self.real = real
        self.written = written


Quirks: TypeAlias = frozenset[Quirk]

AS_OBSERVED: Final[Quirks] = frozenset(Quirk)
"""The setting ``real``."""

AS_WRITTEN: Final[Quirks] = frozenset()
"""The setting ``none``."""
