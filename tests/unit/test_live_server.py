"""The server of the live page: for this machine's own browser, GET only, and whatever it is given stays text."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.report.live.figures import Figures
from simulator.report.live.page import LivePage, serving_page
from simulator.report.live.server import Answer, serving

MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def figures(make_plan: Callable[..., Plan]) -> Figures:
    return Figures(make_plan(), aggregates=True)


@pytest.fixture(scope="module")
def address(figures: Figures, make_plan: Callable[..., Plan], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    plan = make_plan(f"symbols.pattern='{MARKUP}%03d'", "symbols.count=3")
    with serving_page(figures, plan, tmp_path_factory.mktemp("batches")) as address:
        yield address.removeprefix("http://").rstrip("/")


def ask(
    address: str, path: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name, value in ({"Host": address} if headers is None else headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response, content


def test_it_listens_on_the_loopback_only(address: str) -> None:
    assert address.startswith("127.0.0.1:")
    machine = socket.gethostbyname(socket.gethostname())
    if not machine.startswith("127."):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((machine, int(address.split(":")[1])), timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:8000", "LOCALHOST:80"])
def test_own_names_are_answered(address: str, host: str) -> None:
    assert ask(address, headers={"Host": host})[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1:80:80", ""])
@pytest.mark.parametrize("path", ["/", "/figures.json", "/bokeh.js", "/nothing"])
def test_foreign_names_are_refused(address: str, host: str, path: str) -> None:
    response, content = ask(address, path, headers={"Host": host})
    assert response.status == 403
    assert "seed" not in content


def test_a_request_without_a_name_is_refused(address: str) -> None:
    assert ask(address, headers={})[0].status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(address: str, method: str) -> None:
    response, _ = ask(address, "/figures.json", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/static", "/live.js/.."])
def test_only_fixed_paths_exist(address: str, path: str) -> None:
    assert ask(address, path)[0].status == 404


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/live.js", "text/javascript; charset=utf-8"),
        ("/bokeh.js", "text/javascript; charset=utf-8"),
        ("/pictures.json", "application/json"),
        ("/figures.json?symbol=x&metric=y&elapsed=no&batch=nan", "application/json"),
    ],
)
def test_every_answer_says_what_it_is_and_what_it_may(address: str, path: str, media_type: str) -> None:
    response, _ = ask(address, path)
    assert response.status == 200
    assert response.headers["Content-Type"] == media_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_names_stay_text_and_the_page_needs_nothing_from_elsewhere(address: str) -> None:
    _, page = ask(address)
    assert MARKUP not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;00") == 3
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "/bokeh.js", "/live.js"]
    assert re.findall(r"<script[^>]*>([^<]*)<", page) == ["", ""], "the policy forbids scripts in the page"
    assert "innerHTML" not in ask(address, "/live.js")[1]


def test_the_page_gets_what_it_does_not_have_yet(address: str, figures: Figures) -> None:
    for number in range(5):
        figures.produced(Progress(10 * number, 9 * number, 0, number, number, float(number), 0.5, 0.5))
    news = json.loads(ask(address, "/figures.json")[1])
    assert news["samples"]["elapsed"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert (news["counts"]["generated"], news["counts"]["acked"], news["status"]) == (40, 36, None)
    news = json.loads(ask(address, "/figures.json?elapsed=2.5&symbol=A&metric=volume")[1])
    assert news["chosen"] == "volume of A", "what these windows are of, whatever the page has chosen since"
    assert news["samples"]["generated"] == [30, 40]
    assert news["windows"] == {"window_end": [], "value": []}


def test_an_open_page_is_told_how_the_run_has_ended(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    figures = Figures(make_plan(), aggregates=True)
    page = LivePage(figures, make_plan(), tmp_path)
    assert json.loads(page.routes["/figures.json"]({}).content)["status"] is None
    figures.end("match")
    assert not page._is_told.is_set(), "so that a farewell would wait"
    assert json.loads(page.routes["/figures.json"]({}).content)["status"] == "match"
    assert page._is_told.is_set()
    page.say_farewell()


def test_a_fault_of_a_page_is_logged_and_not_on_the_terminal(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Mapping[str, str]) -> Answer:
        raise RuntimeError("a mistake")

    with serving({"/": broken}) as address, pytest.raises(http.client.RemoteDisconnected):
        ask(address.removeprefix("http://"))
    assert capsys.readouterr().err == ""
    assert "a mistake" in caplog.text
