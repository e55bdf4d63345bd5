"""What all tests share: the servers, and what each test has of them to itself."""

pytest_plugins = ("server_fixtures", "log_fixtures")
