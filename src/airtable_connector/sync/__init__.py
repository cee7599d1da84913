"""Keeping the base here and Airtable's alike. Each package in here is a face of its own."""
