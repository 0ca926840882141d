"""The web servers of conf/proxies, each started from its example file in front of a daemon.

Of the example only what cannot be the same here is replaced: the port (and the address), the
name in the Caddyfile, and where gatherd listens. What a distribution's own configuration has
around it is added.
"""

import os

import harness
import servers

EXAMPLES = harness.ROOT / "conf" / "proxies"
HOST = "api.example.com"
TCP, LOCAL = "127.0.0.1:8080", "/run/gatherd.sock"

NGINX = """daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 512; }
http {
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5; access_log off;
  include site.conf;
}
"""
CADDY = """{
	admin off
	auto_https off
	storage file_system ./caddy
}
"""


def replaced(text, old, new):
    """The text with something that must be there replaced."""
    assert old in text, old
    return text.replace(old, new)


def with_backend(text, address, plain, local):
    """The example with gatherd at an address: its TCP line filled in, or its unix line instead."""
    if not isinstance(address, str):
        return replaced(text, TCP, f"{address[0]}:{address[1]}")
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.strip() == plain)
    other = next(line for line in lines if line.strip().startswith("#") and local in line)
    lines[at] = replaced(other[other.index(local):], LOCAL, address)
    return "\n".join(lines)


def nginx(directory, port, address):
    """nginx with the example as its only site."""
    text = with_backend((EXAMPLES / "nginx.conf").read_text(), address,
                        f"server {TCP};", f"server unix:{LOCAL};")
    (directory / "site.conf").write_text(replaced(text, "listen 80;", f"listen 127.0.0.1:{port};"))
    (directory / "nginx.conf").write_text(NGINX)
    return servers.Server("nginx", ["-p", str(directory), "-c", str(directory / "nginx.conf"),
                                    "-e", str(directory / "error.log")], port, directory)


def haproxy(directory, port, address):
    """HAProxy with the example as its configuration."""
    text = with_backend((EXAMPLES / "haproxy.cfg").read_text(), address,
                        f"server gatherd {TCP}", f"server gatherd unix@{LOCAL}")
    (directory / "haproxy.cfg").write_text(replaced(text, "bind :80", f"bind 127.0.0.1:{port}"))
    return servers.Server("haproxy", ["-db", "-f", str(directory / "haproxy.cfg")], port, directory)


def caddy(directory, port, address):
    """Caddy with the example and without certificates."""
    text = with_backend((EXAMPLES / "Caddyfile").read_text(), address,
                        f"reverse_proxy {TCP} {{", f"reverse_proxy unix/{LOCAL} {{")
    text = replaced(text, f"\n{HOST} {{", f"\nhttp://{HOST}:{port} {{\n\tbind 127.0.0.1")
    (directory / "Caddyfile").write_text(CADDY + text)
    return servers.Server("caddy", ["run", "--config", "Caddyfile", "--adapter", "caddyfile"], port,
                          directory, env={**os.environ, "HOME": str(directory),
                                          "XDG_CONFIG_HOME": str(directory),
                                          "XDG_DATA_HOME": str(directory)})


FRONTS = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}
