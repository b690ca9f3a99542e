"""Counts the events that are ObjectEvents because what another type needs was not known, and tells seldom of them."""

from collections import Counter
from collections.abc import Iterable

import structlog

from rfid_gateway.resolve import Bound

log = structlog.get_logger(__name__)


class LesserForms:
    """How many there were for each place and reason. Owner: the pipeline; `total` may be looked at from elsewhere."""

    def __init__(self) -> None:
        self._untold: Counter[tuple[str, str]] = Counter()
        self.total = 0
        """Since the start."""

    def count(self, bound: Iterable[Bound]) -> None:
        """Count what was committed; the first one of each place and reason is logged at once."""
        for each in bound:
            if not each.wanting:
                continue
            self.total += 1
            event = each.event
            key = event.door or event.zone or "", each.wanting
            if key not in self._untold:
                log.warning("event.as_object", place=key[0], reason=key[1], shipment=event.shipment_id, epc=event.epc)
            self._untold[key] += 1

    def tell(self) -> None:
        """Log how many came since the last time, where there was more than the one that was logged; once an hour."""
        for (place, reason), count in self._untold.items():
            if count > 1:
                log.warning("event.as_object", place=place, reason=reason, events=count)
        self._untold.clear()
