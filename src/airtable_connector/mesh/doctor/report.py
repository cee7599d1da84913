"""What an examination found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from airtable_connector.kernel.clock import iso
from airtable_connector.mesh.doctor.check import Check
from airtable_connector.mesh.doctor.outcomes import Failed, Held, Outcome, Severity


@dataclass(frozen=True)
class Finding:
    """A check and what it came to."""

    check: Check
    outcome: Outcome

    @property
    def word(self) -> str:
        """The outcome in one word."""
        return type(self.outcome).__name__.lower()

    @property
    def why(self) -> str | None:
        """Why it did not hold, or was not checked."""
        return None if isinstance(self.outcome, Held) else self.outcome.why


@dataclass(frozen=True)
class Report:
    """All findings, in the order of the checks.

    Args:
        address: whose they are.
        examined_at: when the visit began.
        took: how long it lasted.
        requests: how many were answered.
        complete: False when the time was over before the last check.
        findings: one for each check.
    """

    address: str
    examined_at: datetime
    took: timedelta
    requests: int
    complete: bool
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether all was looked at that could be, and nothing failed that must hold."""
        return self.complete and not any(
            isinstance(each.outcome, Failed) and each.check.severity is Severity.MUST for each in self.findings
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """How many held, failed and were skipped."""
        counted = Counter(each.word for each in self.findings)
        return {word: counted[word] for word in ("held", "failed", "skipped")}

    def document(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        return {
            "droplet": self.address,
            "examined_at": iso(self.examined_at),
            "took_seconds": round(self.took.total_seconds(), 3),
            "requests": self.requests,
            "complete": self.complete,
            "passed": self.passed,
            "counts": self.counts,
            "checks": [
                {
                    "id": each.check.id,
                    "title": each.check.title,
                    "rule": each.check.rule,
                    "severity": each.check.severity,
                    "result": each.word,
                    "why": each.why,
                }
                for each in self.findings
            ],
        }
