"""What the tasks of a DAG file need to have installed: locked on the author's machine, and packed up for the sites."""
