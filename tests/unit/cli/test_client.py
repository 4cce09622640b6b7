import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from reactor.cli.client import ApiError, Client, connect
from reactor.model.errors import InvalidError, NotFoundError, UnauthorizedError
from reactor.settings import load


@pytest.fixture
def server():
    """Answers what the path says: `/api/v1/404/text`."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            size = int(self.headers.get("Content-Length") or 0)
            seen.append((self.command, self.path, self.headers.get("Authorization"), self.rfile.read(size)))
            status, _, text = self.path.removeprefix("/api/v1/").partition("/")
            body = text.encode() if text in {"", "html"} else json.dumps({"detail": text}).encode()
            self.send_response(int(status.partition("?")[0]))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield Client(f"http://127.0.0.1:{httpd.server_port}", "tok"), seen
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_it_sends_the_token_and_gives_json(server):
    client, seen = server
    assert client.get("/200/x", a=1, b=None) is not None
    assert client.post("/202/") is None
    assert client.post("/200/y", {"z": 1}) == {"detail": "y"}
    assert seen[0][:3] == ("GET", "/api/v1/200/x?a=1", "Bearer tok")
    assert seen[2][3] == b'{"z": 1}'


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/404/no", NotFoundError), ("/400/no", InvalidError), ("/401/no", UnauthorizedError), ("/409/no", ApiError)],
)
def test_refusals_say_what_the_server_says(server, path, kind):
    with pytest.raises(kind, match="no"):
        server[0].get(path)


def test_another_program_on_the_port_is_named(server):
    with pytest.raises(ApiError, match="another program"):
        server[0].get("/200/html")
    with pytest.raises(ApiError, match="answered 500"):
        server[0].get("/500/html")


def settings(tmp_path, **env):
    return load({}, {f"REACTOR_{name.upper()}": value for name, value in env.items()}, tmp_path)


def test_where_the_server_is(tmp_path):
    data = tmp_path / ".reactor"
    data.mkdir()
    assert connect(settings(tmp_path)).url == "http://127.0.0.1:5000"
    (data / "address").write_text(json.dumps({"url": "http://127.0.0.1:7", "pid": os.getpid()}))
    assert connect(settings(tmp_path)).url == "http://127.0.0.1:7"
    (data / "address").write_text(json.dumps({"url": "http://127.0.0.1:7", "pid": 2**22 + 1}))
    assert connect(settings(tmp_path)).url == "http://127.0.0.1:5000"
    assert connect(settings(tmp_path, port="8", host="0.0.0.0")).url == "http://127.0.0.1:8"
    assert connect(settings(tmp_path, port="8", host="::")).url == "http://[::1]:8"
    assert connect(settings(tmp_path, url="https://r.example/")).url == "https://r.example"


def test_this_machines_token_is_not_sent_to_another_one(tmp_path):
    (tmp_path / ".reactor").mkdir()
    (tmp_path / ".reactor" / "token").write_text("secret\n")
    assert connect(settings(tmp_path))._token == "secret"
    assert connect(settings(tmp_path, url="http://localhost:9"))._token == "secret"
    assert connect(settings(tmp_path, url="https://r.example"))._token is None
    assert connect(settings(tmp_path, url="https://r.example", token="mine"))._token == "mine"
