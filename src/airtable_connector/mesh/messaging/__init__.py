"""Messages between droplets: read and answered once (inbox), stored and sent until they arrive (outbox, courier)."""
