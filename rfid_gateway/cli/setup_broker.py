"""`rfid-gateway setup`: the questions about the gateway and its broker, and trying the broker."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from zoneinfo import available_timezones

import click

from rfid_gateway.cli.asking import ask, ask_secret, choose, good, note, title, wrong
from rfid_gateway.cli.setup_draft import Draft, Given
from rfid_gateway.config_checks import nearest
from rfid_gateway.mqtt.settings import CREDENTIAL, MqttSettings, TlsSettings
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.mqtt.trial import Trial, attempt
from rfid_gateway.setup import answers, names, surroundings

TRIAL_S = 15.0


def ask_gateway(draft: Draft, given: Given) -> Draft:
    """Ask who this gateway is."""
    title("The gateway")
    before = draft.gateway
    host = names.name_of(surroundings.host_name()) or "gateway"
    site = given.site or ask(
        "Name of the site",
        lambda text: answers.checked_name(text, "a site"),
        before.site if before else "",
        hint="the warehouse or town, such as hamburg",
    )
    name = given.gateway or ask(
        "Name of this gateway", lambda text: answers.checked_name(text, "a gateway"), before.id if before else host
    )
    zone = given.time_zone or ask(
        "Time zone", checked_time_zone, before.time_zone if before else surroundings.time_zone()
    )
    return replace(draft, gateway=answers.gateway(site, name, zone, given.state_folder))


def checked_time_zone(text: str) -> str:
    """Return an IANA name of a time zone; ValueError for anything else."""
    if text not in available_timezones():
        raise ValueError(f"{text!r} is no IANA time zone{nearest(text, available_timezones())[:60]}")
    return text


def ask_broker(draft: Draft, given: Given) -> Draft:
    """Ask which broker, and who we are to it, until it works or is to be kept untested."""
    title("The MQTT broker")
    while True:
        draft = _ask_broker(draft, given)
        if not given.test:
            return draft
        trial = try_broker(draft)
        if trial is None or trial.good:
            return draft
        if choose("What now", ("correct", "keep"), "correct") == "keep":
            return draft
        # What the options said did not work: from now on it is asked, with that as the suggestion.
        given = given.without_answers


def _ask_broker(draft: Draft, given: Given) -> Draft:
    before = draft.mqtt
    address = given.broker or ask(
        "Broker", _checked_address, before.address if before else "", hint="host, host:port or [IPv6]:port"
    )
    tls = given.tls_settings or _ask_tls(address, before)
    username = given.username
    if username is None:
        known = (before.username or "") if before else ""
        hint = "- for none" if known else "Enter for none"
        username = ask("User name", lambda text: "" if text == "-" else text, known, hint=hint)
    password_file, secret = given.password_file, None
    if username and password_file is None:
        password_file, secret = _ask_password(draft, given)
    return replace(draft, mqtt=answers.broker(address, tls, username, password_file), secret=secret)


def _checked_address(text: str) -> str:
    answers.split_address(text)
    return text


def _ask_tls(address: str, before: MqttSettings | None) -> TlsSettings | None:
    _, port = answers.split_address(address)
    suggested = port == answers.TLS_PORT or (before is not None and before.tls is not None)
    if not click.confirm("Encrypted (TLS)?", default=suggested):
        return None
    known = (before.tls.ca_file or "") if before is not None and before.tls is not None else ""
    ca_file = ask("File of its authority", _checked_file, known, hint="PEM; Enter for those that this PC trusts")
    return TlsSettings(ca_file=ca_file) if ca_file else TlsSettings()


def _checked_file(text: str) -> str:
    if not text:
        return ""
    path = Path(text).expanduser().absolute()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    return str(path)


def _ask_password(draft: Draft, given: Given) -> tuple[str | None, str | None]:
    """Ask for the password; returns the file that it is in or will be in, and what is to be written into that."""
    before = draft.mqtt.password_file if draft.mqtt else None
    kept = "Enter keeps the one from before" if before else "not shown; Enter for none"
    secret = ask_secret(f"Password ({kept})")
    if secret:
        return str(given.own_password_file), secret
    return before, draft.secret


def try_broker(draft: Draft) -> Trial | None:
    """Try the broker for real and say what came of it; None where only the service could try it."""
    assert draft.mqtt is not None
    assert draft.gateway is not None
    settings = draft.mqtt
    files = (settings.password_file, settings.tls.ca_file if settings.tls else None)
    if any(file is not None and file.startswith(CREDENTIAL) for file in files):
        note("Not tried: only the service sees a credential of systemd; rfid-gateway status tells later.")
        return None
    topics = Topics(settings.prefix, draft.gateway.site, draft.gateway.id)
    click.echo(f"Trying {settings.address} ...")
    with tempfile.TemporaryDirectory(prefix="rfid-gateway-setup-") as folder:
        if draft.secret is not None:
            file = Path(folder) / "password"
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as secret:
                secret.write(draft.secret)
            settings = settings.model_copy(update={"password_file": str(file)})
        trial = attempt(settings, topics, TRIAL_S)
    _say(trial, topics)
    return trial


def _say(trial: Trial, topics: Topics) -> None:
    if not trial.connected:
        wrong(f"FAILED  {trial.trouble}")
        return
    good(f"ok      connected, MQTT {trial.version}")
    for refusal in trial.refused:
        wrong(f"FAILED  {refusal}")
    if trial.trouble is not None:
        wrong(f"FAILED  {trial.trouble}")
    if trial.refused or trial.trouble is not None:
        note(f"Where the broker has rules, it must allow writing to {topics.own}/# and reading of")
        note(f"{topics.commands_filter}, {topics.directory_filter} and {topics.directory_batch}.")
    elif trial.version == "5":
        good(f"ok      may publish below {topics.own}, and subscribe to commands and directory")
    else:
        good("ok      may subscribe to commands and directory")
        note("A broker of MQTT 3.1.1 does not say whether one may publish: look at the first events.")
