"""The gateway's HTTP server: what a monitoring system asks for. Requests only look, at snapshots."""
