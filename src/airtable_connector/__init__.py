"""Droplet #2: the one door between a mesh of small services and Airtable."""

__version__ = "0.1.0"
