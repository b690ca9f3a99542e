"""The publisher of now and its thread: whoever has something to publish need not know that one may follow another."""

from collections.abc import Callable, Mapping
from threading import Thread

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.durations import PublishingDurations
from rfid_gateway.intake import DirectoryMessage, DirectoryRefusal, Item
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.store.database import StoreError

log = structlog.get_logger(__name__)

TRY_AGAIN_S = 1.0
"""How long a publisher that could not use the database waits."""


class Publishing:
    """Owner: the pipeline's thread, once it runs; `post`, `wake` and what only looks may be called from any thread."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        put: Callable[[Item], None],
        counters: Callable[[], Mapping[str, object]],
        *,
        directory_lost: bool,
        durations: PublishingDurations,
    ) -> None:
        """Make a publisher that is not started yet.

        Args:
            config: the whole configuration.
            clock: the clocks.
            put: takes what the broker sends; never blocks.
            counters: what the status topic says besides; called in the publisher's thread.
            directory_lost: the broker is asked for all entries of the directory, though it may have sent them before.
            durations: learns what the broker acknowledges.
        """
        self._config = config
        self._durations = durations
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._clock = clock
        self._put = put
        self._counters = counters
        self._directory_lost = directory_lost
        self._failed_at = 0
        self._trouble: StoreError | None = None
        self._publisher = self._new_publisher()
        self._thread = self._new_thread()
        self._leaving: tuple[Publisher, Thread] | None = None
        """The one before, which still says goodbye. One at a time: both would be the same client to the broker."""
        self.generation = 0
        """Counts the publishers before this one: who has something standing with one says it again to the next."""

    # For any thread --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PublisherState:
        """How the publisher of now is doing."""
        publisher, _ = self._running
        return publisher.state

    @property
    def moved_at(self) -> int:
        """Monotonic time at which it moved last; 0 until it is up. One that the database holds up moves, too."""
        publisher, thread = self._running
        if self._leaving is not None and not thread.is_alive():
            # Between two of them: the next turn of the pipeline starts the new one.
            return self._clock.monotonic_us()
        return max(self._failed_at, publisher.moved_at)

    def alive(self) -> bool:
        """Whether its thread is there."""
        return self._leaving is not None or self._thread.is_alive()

    def wake(self) -> None:
        """Say that events were committed."""
        self._publisher.wake()

    def post(self, notice: Notice) -> None:
        """Have a notice published; never blocks."""
        self._publisher.post(notice)

    # For its owner ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Let the publisher say goodbye."""
        publisher, _ = self._running
        publisher.close()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the end of its thread."""
        _, thread = self._running
        thread.join(timeout_s)

    @property
    def changing(self) -> bool:
        """Whether one still says goodbye while the next is ready."""
        return self._leaving is not None

    def follow(self, config: Config) -> None:
        """Go by another configuration, with a new publisher; `tick` starts it when this one has said goodbye."""
        self._config = config
        # Once is enough: whatever the broker has begun to send waits in our session there.
        self._directory_lost = self._directory_lost and not self.state.connections
        self._leaving = self._leaving or (self._publisher, self._thread)
        self._leaving[0].close()
        self._prepare()

    def tick(self) -> None:
        """Go on with the publisher of a new configuration as soon as the one before has ended; never waits."""
        if self._leaving is None or self._leaving[1].is_alive():
            return
        self._publisher.take_over_from(self._leaving[0])
        self._thread.start()
        self._leaving = None

    def take_trouble(self) -> StoreError | None:
        """Why the publisher could not use the database since the last call; None where it could."""
        trouble, self._trouble = self._trouble, None
        return trouble

    def begin_anew(self, *, directory_lost: bool) -> None:
        """Start a new publisher in the place of one whose thread has ended."""
        self._directory_lost = directory_lost
        self._leaving = self._leaving or (self._publisher, self._thread)
        self._failed_at = self._clock.monotonic_us()
        self._prepare()
        self.tick()

    @property
    def _running(self) -> tuple[Publisher, Thread]:
        """The publisher whose thread runs, or is to."""
        return self._leaving or (self._publisher, self._thread)

    def _prepare(self) -> None:
        """Make the next publisher: from now on it takes what is posted."""
        self._publisher = self._new_publisher()
        self._thread = self._new_thread()
        self.generation += 1

    def _new_publisher(self) -> Publisher:
        return Publisher(
            self._config.mqtt,
            self._topics,
            lambda: open_outbox(self._config.database),
            self._clock,
            lambda shipment, payload, done: self._put(DirectoryMessage(shipment, payload, done)),
            self._counters,
            on_stray=lambda topic, reason: self._put(DirectoryRefusal(topic, reason, self._clock.utc_us())),
            on_request=self._put,
            directory_lost=self._directory_lost,
            durations=self._durations,
        )

    def _new_thread(self) -> Thread:
        # Daemon: a disk or broker that hangs in the system must not keep the program from ending.
        return Thread(target=self._run, args=(self._publisher,), name="publisher", daemon=True)

    def _run(self, publisher: Publisher) -> None:
        """The thread `publisher`: where the database is at fault, the pipeline is told, and it goes on."""
        while True:
            try:
                publisher.run()
            except StoreError as error:
                log.error("publisher.store_failed", reason=str(error))
                self._trouble = error
                self._failed_at = self._clock.monotonic_us()
                if publisher.wait_closed(TRY_AGAIN_S):
                    return
            else:
                return
