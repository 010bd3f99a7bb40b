"""Messages over real sockets: webhooks of Slack and Teams, a mail server with STARTTLS; told once, and when over."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
import yaml

from capacity.app.notify import FileKeeper, tell_breaches, tell_plan
from capacity.cli import main
from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.cluster.config_maps import read_plan_maps
from capacity.cluster.message_memory import PlanMemory
from capacity.model import write_plan
from capacity.model.settings.monitoring import EmailSettings, MessageSettings, WebhookSettings
from capacity.monitoring.conditions import Condition, Scope
from capacity.monitoring.messages import Manner, Told, due_messages
from tests.conftest import PlanOf
from tests.peers.smtp import running_mail_server
from tests.shop import NOON, Shop

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STALE = Condition("PlanStale", "shop", "web: no plan")
LINKED = replace(STALE, runbooks="https://docs.example.com/{name}/")
HOT = Condition("UtilizationHigh", "shop", "web: cpu above 80 %")
REFUSED = Condition("FloorRefused", "shop", "web: owned by Argo CD")
SHOP = Scope("pass", {"shop"})


class Hook:
    """A webhook that keeps what is posted; `status` is what it answers."""

    def __init__(self, file: Path) -> None:
        self.posts: list[tuple[str, Any]] = []
        self.status = 200
        self.settings = WebhookSettings(url_file=file)

    def texts(self) -> list[str]:
        return [body["text"].splitlines()[0] for _, body in self.posts]


@contextmanager
def listening(folder: Path, name: str) -> Iterator[Hook]:
    hook = Hook(folder / name)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.path, json.loads(body)))
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(f"no such hook: {self.path}".encode())

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        (folder / name).write_text(f"http://127.0.0.1:{server.server_address[1]}/services/T0/secret?sig=x\n")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Hook]:
    with listening(tmp_path, "slack") as hook:
        yield hook


@pytest.mark.parametrize(
    ("conditions", "known", "told", "kept"),
    [
        pytest.param([STALE], {}, ["[critical] "], Told(NOW, NOW), id="a breach is told at once"),
        pytest.param([STALE], {STALE: Told(NOW - HOUR, NOW - HOUR)}, [], Told(NOW - HOUR, NOW - HOUR), id="only once"),
        pytest.param(
            [STALE],
            {STALE: Told(NOW - 5 * HOUR, NOW - 4 * HOUR)},
            ["[critical] "],
            Told(NOW - 5 * HOUR, NOW),
            id="again",
        ),
        pytest.param([], {STALE: Told(NOW - HOUR, NOW - HOUR)}, ["[resolved] "], None, id="and when it is over"),
        pytest.param([HOT], {}, [], Told(NOW), id="one hot minute is not told"),
        pytest.param([HOT], {HOT: Told(NOW - 5 * MINUTE)}, ["[critical] "], Told(NOW - 5 * MINUTE, NOW), id="five are"),
        pytest.param([], {HOT: Told(NOW - MINUTE)}, [], None, id="what was never told is not resolved"),
    ],
)
def test_what_is_due(conditions: list[Condition], known: dict[Condition, Told], told: list[str], kept: Told) -> None:
    memory = {condition.correlation: one for condition, one in known.items()}
    messages, found = due_messages(conditions, SHOP, memory, NOW, Manner())
    assert [message.title.partition("]")[0] + "] " for message in messages] == told
    assert list(found.values()) == ([] if kept is None else [kept])


def test_other_jobs_and_lesser_severities_are_left_out() -> None:
    others = {"capacity/DataStale/orders.csv": Told(NOW, NOW), "capacity/PlanStale/store": Told(NOW, NOW)}
    assert due_messages([REFUSED], SHOP, others, NOW, Manner(critical_only=True)) == ([], others)


def test_slack_is_told_once_over_many_passes_and_when_it_is_over(slack: Hook, tmp_path: Path) -> None:
    settings, keeper = MessageSettings(slack=slack.settings), FileKeeper(tmp_path / "told.json")
    for minute in range(3):
        assert tell_breaches(settings, keeper, [LINKED], SHOP, NOW + minute * MINUTE) == []
    assert tell_breaches(settings, keeper, [], SHOP, NOW + HOUR) == []
    title = "shop: the plan has ended and there is no new one*"
    assert slack.texts() == [f"*[critical] {title}", f"*[resolved] {title}"]
    path, body = slack.posts[0]
    assert path == "/services/T0/secret?sig=x"
    assert body["text"].splitlines()[1:] == [
        "web: no plan",
        "What happens by itself: floors are held, then move to the safe floor.",
        "<https://docs.example.com/PlanStale/|Runbook>",
    ]


def test_a_runbook_that_is_published_nowhere_is_named_and_not_linked() -> None:
    (message,), _ = due_messages([STALE], SHOP, {}, NOW, Manner())
    assert (message.link, message.text.splitlines()[-1]) == (None, "Runbook: docs/runbooks/PlanStale.md")


def test_a_refusal_names_no_secret_and_is_tried_again(slack: Hook, tmp_path: Path) -> None:
    settings, keeper = MessageSettings(slack=slack.settings), FileKeeper(tmp_path / "told.json")
    slack.status = 404
    (warning,) = tell_breaches(settings, keeper, [STALE], SHOP, NOW)
    assert warning.startswith("message not sent: Slack at http://127.0.0.1:")
    assert warning.endswith("expected it to take the message, got status 404")
    slack.status = 200
    assert tell_breaches(settings, keeper, [STALE], SHOP, NOW + MINUTE) == []
    assert len(slack.posts) == 2


def test_one_receiver_that_fails_makes_no_other_hear_it_twice(slack: Hook, tmp_path: Path) -> None:
    (tmp_path / "gone").write_text("http://127.0.0.1:9/hook")
    settings = MessageSettings(slack=slack.settings, teams=WebhookSettings(url_file=tmp_path / "gone"))
    keeper = FileKeeper(tmp_path / "told.json")
    (warning,) = tell_breaches(settings, keeper, [STALE], SHOP, NOW)
    assert "Teams at http://127.0.0.1:9: no answer" in warning
    assert tell_breaches(settings, keeper, [STALE], SHOP, NOW + MINUTE) == []
    assert len(slack.posts) == 1


def test_teams_gets_a_card_with_a_button(tmp_path: Path) -> None:
    with listening(tmp_path, "teams") as teams:
        teams.status = 202
        settings = MessageSettings(teams=teams.settings)
        assert tell_breaches(settings, None, [LINKED], SHOP, NOW) == []
    ((_, body),) = teams.posts
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert [block["text"] for block in card["body"]][1] == "web: no plan"
    assert card["actions"][0]["url"].endswith("/PlanStale/")


def test_mail_goes_encrypted_to_everybody(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("hunter2\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with running_mail_server(context) as server:
        email = EmailSettings(
            host="127.0.0.1",
            port=server.port,
            user="capacity",
            password_file=tmp_path / "password",
            ca_file=tmp_path / "ca.pem",
            sender="capacity@example.com",
            to=("a@example.com", "b@example.com"),
        )
        assert tell_breaches(MessageSettings(email=email), None, [STALE], SHOP, NOW) == []
        (letter,) = server.letters
        assert (server.users, server.encrypted) == (["capacity hunter2"], [True])
        assert letter["To"] == "a@example.com, b@example.com"
        assert letter["Subject"] == "[critical] shop: the plan has ended and there is no new one"
        assert letter.get_content().splitlines()[0] == "web: no plan"
        stranger = email.model_copy(update={"ca_file": None})
        (warning,) = tell_breaches(MessageSettings(email=stranger), None, [STALE], SHOP, NOW)
        assert "no answer" in warning, "a certificate that nobody knows"
        assert len(server.letters) == 1


def test_a_mail_server_that_refuses_is_one_line() -> None:
    with running_mail_server() as server:
        server.refuse = True
        email = EmailSettings(
            host="127.0.0.1", port=server.port, security="none", sender="a@example.com", to=("b@example.com",)
        )
        (warning,) = tell_breaches(MessageSettings(email=email), None, [STALE], SHOP, NOW)
    assert warning == (
        f"message not sent: mail server 127.0.0.1:{server.port}: expected it to take the message, got SMTPSenderRefused"
    )


@pytest.mark.parametrize(("at", "told"), [("12:00", 1), ("11:30", 1), ("13:00", 0), ("11:00", 0)])
def test_the_plan_of_one_hour_is_told(slack: Hook, plan_of: PlanOf, at: str, told: int) -> None:
    settings = MessageSettings.model_validate({"slack": slack.settings.model_dump(), "plans": at})
    plan = replace(plan_of(web=[4, 9, 9], api=[2, 2, 2]), created=NOW - HOUR)  # noon in Paris
    assert tell_plan(settings, plan, "Europe/Paris") == []
    assert len(slack.posts) == told
    if told:
        assert slack.posts[0][1]["text"].splitlines() == [
            "*Plan of 2 workloads, valid until Fri 27 Nov 04:00*",
            "shop/web: 9 replicas at the peak, Fri 27 Nov 02:00",
            "shop/api: 2 replicas at the peak, Fri 27 Nov 01:00",
        ]


def test_passes_remember_in_their_lease_what_they_told(shop: Shop, slack: Hook, plan_of: PlanOf) -> None:
    config = yaml.safe_load(Path("capacity.yaml").read_text())
    config["incidents"] = {"messages": {"slack": {"url_file": "slack"}, "least": "critical"}}
    Path("capacity.yaml").write_text(json.dumps(config))
    Path("plan.json").unlink()
    for _ in range(2):
        main(["apply", "--now", NOON])
    assert len(slack.posts) == 2, "of two passes: two breaches, once each"
    lease = shop.api.get("Lease", "shop", "capacity")
    kept = json.loads(lease["metadata"]["annotations"]["capacity/messages"])
    assert set(kept) == {"capacity/PassFailed/shop", "capacity/PlanStale/shop"}
    write_plan(plan_of(web=[4, 4, 9, 9, 3]), Path("plan.json"))
    assert main(["apply", "--now", NOON]) == 0
    assert slack.texts()[-1].startswith("*[resolved] shop: ")
    assert shop.floor() == 9


def test_plannings_remember_with_their_plan_what_they_told(shop: Shop, slack: Hook, plan_of: PlanOf) -> None:
    memory, settings = PlanMemory(ClusterWriter(), "shop"), MessageSettings(slack=slack.settings)
    failed, scope = Condition("PlanFailed", "shop", "web: no sales"), Scope("plan", {"shop"})
    plan = plan_of(web=[4, 9, 9])
    assert tell_breaches(settings, memory, [failed], scope, NOW) == [], "no plan yet, nothing to keep it in"
    write_plan_maps(ClusterWriter(), plan)
    for hour in range(1, 4):
        write_plan_maps(ClusterWriter(), replace(plan, created=NOW + hour * HOUR))
        assert tell_breaches(settings, memory, [failed] if hour < 3 else [], scope, NOW + hour * HOUR) == []
    title = "shop: workloads could not be planned*"
    assert slack.texts() == [f"*[warning] {title}", f"*[warning] {title}", f"*[resolved] {title}"]
    assert read_plan_maps(ClusterWriter(), "shop").created == NOW + 3 * HOUR


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"email": {"host": "h", "sender": "a@b", "to": []}}, "to"),
        ({"email": {"host": "h", "sender": "a@b", "to": ["c@d"], "user": "me"}}, "user and password_file together"),
        (
            {
                "email": {
                    "host": "h",
                    "sender": "a@b",
                    "to": ["c@d"],
                    "user": "u",
                    "password_file": "p",
                    "security": "none",
                }
            },
            "expected security: starttls or tls",
        ),
        ({"slack": {"url": "https://hooks.slack.com/x"}}, "url_file"),
    ],
    ids=["nobody", "user alone", "a password in the open", "a secret in the configuration"],
)
def test_settings_that_make_no_sense_are_refused(block: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MessageSettings.model_validate(block)
