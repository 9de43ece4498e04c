"""The batch tool: executions of the state machine, and a look at images before a deploy."""
