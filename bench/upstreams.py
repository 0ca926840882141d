"""What the aggregators call: nginx with JSON bodies, plain and over TLS, and the program
upstream.c with everything that is late. And what a merged reply of them must be."""
import json
import subprocess

from programs import Program, fill, free_ports

SIZES = {"small": 275, "9k": 9 * 1024, "93k": 93 * 1024}
LATE = {"quick": {"answer": "here"}, "late200": {"answer": "here"}, "late300": {"answer": "here"},
        "missing": {"error": "missing"}, "chunked": {"answer": "parts"}}
HOST = "upstream.test"  # a second name in the certificate, for peers that want one


def sample_body(size):
    """A JSON object of about `size` bytes: short keys, strings, numbers, nesting."""
    item = {"id": 7, "name": "Iris Calloway", "price": 19.99, "tags": ["new", "blue"], "ok": True,
            "place": {"town": "Applewick", "lat": -37.3159, "lng": 81.1496}, "note": "rain at noon"}
    if size < 1000:
        text = json.dumps({**item, "pad": ""}, separators=(",", ":"))
        return text.replace('"pad":""', '"pad":"' + "x" * (size - len(text)) + '"')
    items = [{**item, "id": number} for number in range(size // 145)]
    return json.dumps({"items": items}, separators=(",", ":"))


BODIES = {name: sample_body(size) for name, size in SIZES.items()}


def call(work, number):
    """The upstream group and path that the call with this number (from 0) goes to."""
    if work == "mix":
        return "late", ("missing", "chunked")[number] if number < 2 else "quick"
    if work == "tls":
        return "tls", "small"
    return ("late" if work.startswith("late") else "plain"), work


def merged(work, width):
    """What every aggregator must answer for /BODY/CALLS."""
    def body(path):
        return json.loads(BODIES[path]) if path in BODIES else LATE[path]
    return {f"r{n + 1}": body(call(work, n)[1]) for n in range(width)}


def make_certificates(work):
    """A certification authority of our own and a certificate for loopback."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=work, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (work / "names.cnf").write_text(f"subjectAltName = IP:127.0.0.1, DNS:{HOST}\n"
                                    "basicConstraints = CA:FALSE\n")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=benchmark authority")
    openssl("req", *key, "-keyout", "upstream.key", "-out", "upstream.csr", "-subj", f"/CN={HOST}")
    openssl("x509", "-req", "-in", "upstream.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names.cnf", "-out", "upstream.pem")
    return work / "ca.pem"


def nginx_command(work, conf):
    return ["/usr/sbin/nginx", "-p", work, "-e", "stderr", "-c", conf]


def start_bodies(work):
    """The nginx with the bodies; returns it and its plain and TLS ports."""
    plain, tls = free_ports(4), free_ports(4)
    directory = work / "bodies"
    directory.mkdir()
    for name in ("9k", "93k"):
        (directory / f"{name}.json").write_text(BODIES[name])
    listen = [f"listen 127.0.0.1:{port} backlog=4096;" for port in plain]
    listen += [f"listen 127.0.0.1:{port} ssl backlog=4096;" for port in tls]
    conf = fill("upstream.conf.in", work / "upstream.conf", DIR=work, LISTEN=" ".join(listen),
                SMALL=BODIES["small"])
    directory.chmod(0o755)
    return Program("upstream", nginx_command(work, conf), plain[0]), plain, tls


def start_late(build):
    ports = free_ports(4)
    return Program("late upstream", [build / "bench" / "upstream", *ports], ports[0]), ports
