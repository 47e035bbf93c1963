"""Data that is fetched once: from a server of the test's own, from none, and out of the cache."""

import http.server
import threading

import pytest

from tinytorch import download
from tinytorch.download import Source, Unavailable, digest, fetched

TEXT = b"To be, or not to be.\n" * 40
SOURCE = Source("play.txt", "http://127.0.0.1:9/play.txt", len(TEXT), digest(TEXT))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /good with the text, /half with a part of it, and so on; counts what was asked."""

    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        bodies = {"/good": TEXT, "/half": TEXT[:100], "/longer": TEXT + b"!", "/broken": TEXT}
        bodies["/other"] = TEXT.replace(b"not", b"now")
        if self.path not in bodies:
            self.send_error(404)
            return
        body = bodies[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:50] if self.path == "/broken" else body)

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def address():
    """The address of a server on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no proxy between the test and its server."""
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    Handler.asked.clear()
    return tmp_path / "cache"


def test_a_file_is_fetched_once_and_kept(address, cache):
    said = []
    for _ in range(2):
        path = fetched(SOURCE, f"{address}/good", say=said.append)
        assert path == cache / "play.txt" and path.read_bytes() == TEXT
    assert Handler.asked == ["/good"]
    assert [path.name for path in cache.iterdir()] == ["play.txt"]
    assert said[0] == f"fetching play.txt (0.0 MB) from {address}/good" and len(said) == 2


def test_a_damaged_file_is_fetched_again(address, cache):
    cache.mkdir()
    (cache / "play.txt").write_bytes(TEXT[:-1])
    said = []
    fetched(SOURCE, f"{address}/good", say=said.append)
    assert (cache / "play.txt").read_bytes() == TEXT
    assert "is damaged, and is fetched again" in said[0]


@pytest.mark.parametrize(
    ("path", "sentence"),
    {
        "/half": "gave 100 of 840 bytes",
        "/longer": "gave another file than play.txt: its SHA-256 sum differs",
        "/other": "gave another file than play.txt: its SHA-256 sum differs",
        "/missing": "answers 404 Not Found",
        "/broken": "",
    }.items(),
)
def test_what_came_is_something_else(path, sentence, address, cache):
    with pytest.raises(Unavailable) as caught:
        fetched(SOURCE, address + path, say=str)
    assert str(caught.value).startswith(address + path) and sentence in str(caught.value)
    assert not cache.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib's socket
@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "no address", "http://[", "gopher://x/y"])
def test_an_address_that_cannot_be_reached(url):
    with pytest.raises(Unavailable, match="cannot be re") as caught:
        fetched(SOURCE, url, say=str)
    assert "\n" not in str(caught.value)


def test_a_silent_server_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(download, "SECONDS", 0.2)
    silent = http.server.socketserver.TCPServer(("127.0.0.1", 0), None)
    with silent, pytest.raises(Unavailable, match="cannot be re"):
        fetched(SOURCE, f"http://127.0.0.1:{silent.server_address[1]}/x", say=str)


def test_nothing_is_fetched_without_a_yes(address):
    questions = []

    def no(question):
        questions.append(question)
        return False

    with pytest.raises(Unavailable, match="was not to be fetched"):
        fetched(SOURCE, f"{address}/good", ask=no)
    assert questions == [f"play.txt (0.0 MB) is not here yet. Fetch it from {address}/good?"]
    assert not Handler.asked


def test_a_cache_that_cannot_be_written(address, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot be written"):
        fetched(SOURCE, f"{address}/good", say=str)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_cache_is_the_users(platform, monkeypatch, tmp_path):
    monkeypatch.delenv("TINYTORCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(download.sys, "platform", platform)
    monkeypatch.setattr(download.Path, "home", lambda: tmp_path)
    parts = {"linux": ".cache", "darwin": "Library/Caches", "win32": "AppData/Local"}
    assert download.cache_folder() == tmp_path / parts[platform] / "tinytorch"


def test_the_source_is_the_one_of_the_documents():
    assert download.SHAKESPEARE.bytes == 1_115_394
    assert download.SHAKESPEARE.sha256.startswith("86c4e6aa")
    assert download.SHAKESPEARE.sha256.endswith("65ed")
