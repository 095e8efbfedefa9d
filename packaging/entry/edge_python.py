"""Where the executable ``edge-python`` begins."""

from task_interpreter import main

main()
