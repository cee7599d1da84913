"""Measures the service against the ceiling of the machine it runs on: ``python -m bench``; see docs/performance.md."""
