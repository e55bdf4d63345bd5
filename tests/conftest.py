"""What all tests share: the servers, and what each test has of them to itself."""

from hypothesis import settings

# how long an example takes says more of the machine, and of what else runs on it, than of the code
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

pytest_plugins = ("server_fixtures", "log_fixtures", "no_skips")
