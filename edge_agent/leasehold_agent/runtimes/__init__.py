"""How a task becomes a process: one module per runtime, behind one port."""
