"""Examining a droplet of the mesh from outside: does it hold what UDC v1.0 promises?

A face of its own: only its command needs it, and a serving process should not load it.
"""

from airtable_connector.mesh.doctor.check import Check
from airtable_connector.mesh.doctor.examination import Examination
from airtable_connector.mesh.doctor.examine import CHECKS, examine
from airtable_connector.mesh.doctor.outcomes import Failed, Held, Outcome, Severity, Skipped
from airtable_connector.mesh.doctor.report import Finding, Report

__all__ = [
    "CHECKS",
    "Check",
    "Examination",
    "Failed",
    "Finding",
    "Held",
    "Outcome",
    "Report",
    "Severity",
    "Skipped",
    "examine",
]
