"""Where the exchange with an ASGI application stands."""

from typing import Final

NOT_STARTED: Final = 0
STARTED: Final = 1
STREAMING: Final = 2
COMPLETE: Final = 3
FILTERED: Final = 4  # it streams, and its pieces are changed on their way
TRAILING: Final = 5  # it has started, and trailers will follow its body
ENDED: Final = 6  # its body has ended, and its trailers have not
