"""Real web servers as upstreams: nginx and nghttpd, each one process of the current user."""

import re
import shutil
import socket
import subprocess

import harness

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 512; }
http {
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5;
  log_format short '$connection $server_protocol $status $request_method $uri $body_bytes_sent $http_accept_encoding';
  access_log access.log short;
  default_type application/json;
  http2_max_concurrent_streams %(streams)s;
  server {
    listen 127.0.0.1:%(port)s %(listen)s;
    %(certificate)s
    root %(root)s;
    location = /drip { alias %(root)s/3000.json; limit_rate 2000; }
    location = /stall { alias %(root)s/3000.json; limit_rate 10; }
    location = /same { return 200 '{"method":"$request_method","length":"$content_length"}'; }
    %(more)s
  }
}
"""


def openssl(directory, *arguments):
    """Runs openssl in a directory."""
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, timeout=harness.PATIENCE,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory, name="test authority"):
        self.directory = directory
        self.file = directory / "ca.pem"
        openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.pem")

    def certify(self, names):
        """A certificate for subject alternative names, and its key."""
        stem = re.sub(r"[^a-z0-9]+", "-", names.lower())
        (self.directory / f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        openssl(self.directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", "/CN=upstream", "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        openssl(self.directory, "x509", "-req", "-in", f"{stem}.csr", "-days", "2", "-CA", "ca.pem",
                "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{stem}.ext",
                "-out", f"{stem}.pem")
        return self.directory / f"{stem}.pem", self.directory / f"{stem}.key"


class Server:
    """A program that listens on a free loopback port; ended by its own process handle."""

    def __init__(self, program, arguments, port, directory, env=None):
        self.port = port
        self.log_path = directory / "server.log"
        binary = shutil.which(program, path=PATH)
        assert binary, f"{program} is missing: run make deps-test"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([binary, *arguments], cwd=directory, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=env)
        harness.wait_until(self.is_up, f"{program} to listen")

    def is_up(self):
        """Whether it accepts connections; a dead one raises."""
        assert self.process.poll() is None, self.log_path.read_text(errors="replace")
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(harness.PATIENCE)


class Nginx(Server):
    """nginx; `listen` holds http2 and ssl, `certificate` a pair of files."""

    def __init__(self, directory, root, listen="", certificate=None, more="", streams=128):
        port = harness.closed_port()
        self.access = directory / "access.log"
        lines = ""
        if certificate:
            lines = f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};"
        (directory / "nginx.conf").write_text(NGINX % {
            "port": port, "listen": listen, "certificate": lines, "root": root, "more": more,
            "streams": streams})
        super().__init__("nginx", ["-p", str(directory), "-c", str(directory / "nginx.conf"),
                                   "-e", str(directory / "error.log")], port, directory)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"

    def seen(self):
        """The requests it has finished: (connection, protocol, status, method, path, bytes, encodings)."""
        return [tuple(line.split(" ", 6)) for line in self.access.read_text().splitlines()]

    def wait_seen(self, count):
        """Waits until it has finished so many requests."""
        harness.wait_until(lambda: len(self.seen()) >= count, f"{count} requests in nginx's log")
        return self.seen()


class Nghttpd(Server):
    """nghttpd; with a certificate over TLS, otherwise h2c."""

    def __init__(self, directory, root, *options, certificate=None):
        port = harness.closed_port()
        (directory / "mime.types").write_text("application/json json\n")
        tail = [str(port)] if not certificate else [
            str(port), str(certificate[1]), str(certificate[0])]
        super().__init__("nghttpd", [
            "-v", "-a", "127.0.0.1", "-d", str(root), "--mime-types-file",
            str(directory / "mime.types"), *([] if certificate else ["--no-tls"]), *options, *tail],
            port, directory)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"

    def streams(self):
        """The connection of each request that it has seen."""
        log = re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text(errors="replace"))
        return re.findall(r"\[id=(\d+)\] \[[^\]]*\] recv HEADERS frame", log)
