"""Examining a droplet of the mesh from outside: does it hold what UDC v1.0 promises?"""
