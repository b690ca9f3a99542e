"""Says what came of the search for a port's protocol, as the gateway wants to know it. Pure."""

from rfid_drivers.serial.detect_search import Candidate, Search, Step
from rfid_drivers.serial.detection import Finding
from rfid_gateway.driver import DetectedReader, DetectionRequest, HeardBytes, NothingDetected

_ALWAYS_SHOWN = frozenset({"mode"})
"""Options that are told though they are the driver's default: a person wants to see them."""


def detected(
    request: DetectionRequest, name: str, candidate: Candidate, step: Step, finding: Finding
) -> DetectedReader:
    """Describe the reader that was recognised; `name` is the port's name that stays."""
    known = candidate.driver.Options.model_fields
    wanted = dict(finding.options)
    if step.baud is not None:
        wanted |= {"baud": step.baud, "parity": request.parity}
    if finding.antennas and "antennas" in known:
        wanted["antennas"] = finding.antennas
    options = {key: value for key, value in wanted.items() if key in _ALWAYS_SHOWN or value != known[key].default}
    return DetectedReader(
        driver=candidate.name,
        port=name,
        baud=step.baud,
        parity=request.parity,
        found_by="asking" if step.probe else "listening",
        certainty=finding.certainty,
        evidence=finding.evidence,
        model=finding.model,
        firmware=finding.firmware,
        antennas=finding.antennas,
        sample_epc=finding.sample_epc,
        detail=finding.detail,
        options={"port": name, **options},
    )


def nothing_detected(request: DetectionRequest, search: Search) -> NothingDetected:
    """Say what it may be that nothing was recognised, and what helps."""
    heard = tuple(HeardBytes(baud, each.count, each.sample.hex(" ").upper()) for baud, each in search.heard.items())
    return NothingDetected(_why(request, sum(each.count for each in heard), echoed=search.echoed), heard)


def _why(request: DetectionRequest, count: int, *, echoed: bool) -> str:
    on_tcp = request.port.startswith("socket://")
    if count:
        other = "" if on_tcp or request.parity != "none" else ", or one with another parity (try --parity even)"
        return (
            f"{count} bytes arrived and no known protocol makes frames of them: "
            f"this is no RFID reader, or one that no driver knows{other}"
        )
    if request.listen_only:
        return (
            "nothing arrived: hold a tag before the reader, check its power and the wiring; "
            "a reader that only answers says nothing before it is asked, so try without --listen-only"
        )
    what = (
        "only what was sent came back: RX and TX are joined, or an RS-485 adapter hears itself and no reader answers"
        if echoed
        else "nothing arrived and nothing answered"
    )
    wiring = "address and port" if on_tcp else "the wiring (RX and TX crossed? ground joined?)"
    return (
        f"{what}: check the reader's power and {wiring}, hold a tag before it and try again; "
        "on RS-485 a reader may listen to its own address alone"
    )
