"""HTTP/1.1 over TLS: what is trusted, and what a new connection costs."""

import pytest

import servers
from test_http2 import call, certificate, root, serve  # noqa: F401

LINES = "keepalive_timeout 0; ssl_session_cache shared:one:1m;"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The certificate authority that is trusted."""
    return servers.Authority(tmp_path_factory.mktemp("authority"))


def numbers(daemon, upstream, count, first=0):
    """So many calls, one after the other, each on a new connection."""
    for i in range(first, first + count):
        reply = daemon.batch([call("n", f"/{i}.json", upstream=upstream)], merge="keyed")
        assert reply.json() == {"n": {"number": i}}, reply


def test_files_of_authorities_are_kept(gatherd, serve, tmp_path):  # noqa: F811
    """Files of certificates are not read for each connection, also where there are two."""
    lines, files = ["workers: 1", "upstreams:"], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        authority = servers.Authority(tmp_path / name, name)
        up = serve(servers.Nginx, listen="ssl", more=LINES,
                   certificate=authority.certify("IP:127.0.0.1"))
        lines.append(f'  {name}: {{ url: "{up.url}", caFile: "{authority.file}" }}')
        files.append(authority.file)
    daemon = gatherd("\n".join(lines) + "\n")
    numbers(daemon, "one", 1)
    numbers(daemon, "two", 1)
    for file in files:
        file.unlink()
    for i in range(1, 4):
        numbers(daemon, "one", 1, i)
        numbers(daemon, "two", 1, i)


def test_sessions_are_resumed(gatherd, serve, authority, certificate):  # noqa: F811
    """A new connection to a known server goes on with the session of an earlier one."""
    more = LINES + "add_header Resumed $ssl_session_reused always;"
    up = serve(servers.Nginx, listen="ssl", more=more, certificate=certificate)
    daemon = gatherd(f'workers: 1\nupstreams: {{ up: {{ url: "{up.url}", '
                     f'caFile: "{authority.file}" }} }}\n')
    raw = [daemon.batch([call("n", "/1.json")], merge="raw") for _ in range(3)]
    assert [reply.header("resumed") for reply in raw] == [".", "r", "r"], raw
