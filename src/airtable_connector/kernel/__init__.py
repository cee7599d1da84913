"""Words that every room shares; nothing here knows a database, a network or a format.

Standard library only. Modules are imported by name (``from airtable_connector.kernel.clock import Clock``).
"""
