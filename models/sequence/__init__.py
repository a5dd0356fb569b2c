"""The event-row sequence model."""
