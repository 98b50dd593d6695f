"""The durable engine: queues and a schedule that delegate to workflows, and its stand-in for one process."""
