"""The web page: jobs, their timelines, and how the workers keep up. `app.create_web` makes it."""

PORT = 8321
"""Where the page is found, unless it is told otherwise or the port is taken."""
