"""What Faust loads for every app where this package is installed: a guard of broker passwords."""

from faust.fixups.base import Fixup

from .broker import SUFFIX


class HidePasswords(Fixup):
    """Makes the transport of an app on Redis Streams before Faust prints its broker's URL.

    The transport hides the password from then on. An app with agents has it early enough anyway,
    one without would not.
    """

    def enabled(self) -> bool:
        """Look at every app: its settings are not known yet."""
        return True

    def on_worker_init(self) -> None:
        """Make the transport if it is ours."""
        if self.app.conf.broker[0].scheme.endswith(SUFFIX):
            _ = self.app.transport
