"""Who this agent is: its key, where the key is kept, and the tokens made with it."""
