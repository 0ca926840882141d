#!/usr/bin/env python3
"""An upstream that speaks TLS, for unit tests: argv is certificate and key.

Prints its port; ends when its standard input does. /count tells how many
connections came, /big is 300,000 bytes, POST gives back what it got, /silent
closes the connection without a reply from the second request on.
"""
import os
import socket
import ssl
import sys
import threading

connections = 0


def read_request(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        line = stream.readline()
        if not line:
            return None, None
        head += line
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head.split(b" ")[1].decode(), stream.read(length)


def serve(plain, context):
    try:
        with context.wrap_socket(plain, server_side=True) as tls, tls.makefile("rb") as stream:
            count = 0
            while True:
                path, body = read_request(stream)
                count += 1
                if path is None or (path == "/silent" and count > 1):
                    return
                if path == "/count":
                    body = str(connections).encode()
                elif path == "/big":
                    body = b"0123456789" * 30000
                elif path == "/end":
                    tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nto the end")
                    tls.unwrap()
                    return
                elif path in ("/cut", "/short"):  # the connection ends without close_notify
                    length = b"Content-Length: 20\r\n" if path == "/short" else b""
                    tls.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\nto the end")
                    socket.socket.shutdown(tls, socket.SHUT_RDWR)
                    return
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except (OSError, ValueError):
        pass


def main():
    global connections
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    os.write(1, b"%d\n" % listener.getsockname()[1])

    def accept():
        global connections
        while True:
            plain, _ = listener.accept()
            connections += 1
            threading.Thread(target=serve, args=(plain, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


main()
