"""The batch tool: executions of the state machine, and images through a local API."""
