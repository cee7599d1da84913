"""Access tokens: long-lived and opaque, for clients that know one key and nothing of the mesh."""
