"""The batch tool: executions of the state machine, and a look at pictures before a deploy."""
