"""The domain dialect: sprints, cells, proofs, heartbeats and digests as the mesh's droplets speak of them."""

from airtable_connector.web.domain.budget import BudgetShown
from airtable_connector.web.domain.messages import DomainMessages
from airtable_connector.web.domain.routes import COLLECTIONS, NOTIFICATIONS, DomainRoutes, domain_routes

__all__ = ["COLLECTIONS", "NOTIFICATIONS", "BudgetShown", "DomainMessages", "DomainRoutes", "domain_routes"]
