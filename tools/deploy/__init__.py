"""The deploy tool: from an empty account to an endpoint, and back."""
