"""What each call of the task protocol does: one room per subject; `task_api` is the table of them."""
