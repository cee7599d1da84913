"""Computed fields: what depends on what, how cells are made, and when.

Loaded when a base has such a field: a service without them starts without the formula language.
"""

from airtable_connector.records.computing.plan import Plan, plan_for, with_ids
from airtable_connector.records.computing.settling import Settling

__all__ = ["Plan", "Settling", "plan_for", "with_ids"]
