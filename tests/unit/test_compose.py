"""docker-compose.yml: what it runs of ours is there, what it publishes is for this machine."""

import re

from snippets import ROOT

from checkpoint.cli import main

COMPOSE = (ROOT / "docker-compose.yml").read_text()


def test_every_port_is_published_on_loopback_only() -> None:
    published = re.findall(r"^ +ports: \[(.*)\]", COMPOSE, re.MULTILINE)
    assert len(published) == COMPOSE.count("ports:")
    assert all(re.fullmatch(r'"127\.0\.0\.1:\S+:\d+"', one) for one in published)


def test_its_services_and_their_health_checks_are_commands_that_there_are() -> None:
    run = re.findall(r"^ +command: \[((?:worker|web),.*?)\]", COMPOSE, re.MULTILINE)
    asked = re.findall(r"test: \[CMD, checkpoint, (.*?)\]", COMPOSE)
    assert sorted(run) == ["web, --host, 0.0.0.0", "worker, projector", "worker, snapshotter"]
    assert sorted(asked) == ["health, projector", "health, snapshotter"]
    for words in (*run, *asked):
        name, *rest = words.split(", ")
        main.commands[name].make_context(name, rest)
