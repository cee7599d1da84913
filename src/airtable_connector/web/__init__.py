"""HTTP: the dialects that the connector speaks, over one common edge."""
