#!/usr/bin/python3
"""The demo upstream: made data over real HTTP, and every way to misbehave."""

import argparse
import asyncio
import os
import signal
import sys

import routes
import stats
import wire

COUNTERS = "/-/stats"


class Connection:
    """One client connection, for the counters."""

    def __init__(self, number, era):
        self.number = number
        self.era = era
        self.counted = False


class Upstream:
    """The server's state: counters and open connections."""

    def __init__(self):
        self.stats = stats.Stats()
        self.accepted = 0
        self.tasks = set()

    def protocol(self):
        """A new connection's protocol."""
        reader = asyncio.StreamReader(limit=wire.HEAD_LIMIT)
        peer = wire.Peer(reader, lambda reader, writer: self.start(reader, writer, peer))
        return peer

    def start(self, reader, writer, peer):
        """Serves a connection in a task of its own."""
        writer.transport.set_write_buffer_limits(0)
        self.accepted += 1
        connection = Connection(self.accepted, self.stats.era)
        task = asyncio.get_running_loop().create_task(
            self.serve(connection, reader, writer, peer.gone))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, connection, reader, writer, gone):
        """Requests of one connection, one after the other."""
        try:
            while True:
                request = await wire.read_request(reader, writer)
                if request is None or not await self.exchange(connection, request, writer, gone):
                    break
        except wire.BadRequest as error:
            writer.write(wire.head(400, [("Connection", "close"), ("Content-Length", 0),
                                         ("X-Reason", str(error))]))
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def exchange(self, connection, request, writer, gone):
        """One request and its reply; True when the connection can be used again."""
        if request.target == COUNTERS:
            if request.method == "DELETE":
                self.stats.clear()
            return await send(request, routes.as_json(self.stats.report()), writer)
        era = self.stats.begin(connection, request)
        work = asyncio.ensure_future(reply_to(request, writer))
        leaving = asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            done = work.done() and not work.exception()
            return done and work.result()
        finally:
            self.stats.end(era, request, work.done() and not work.exception())
            work.cancel()
            leaving.cancel()


async def reply_to(request, writer):
    """Answers in whatever manner the path asks for."""
    raw = routes.RAW.get(request.target.partition("?")[0])
    if raw is None:
        return await send(request, await routes.answer(request), writer)
    reusable = await raw(request, routes.parse_query(request.target), writer)
    return reusable and request.keeps_alive()


async def send(request, reply, writer):
    """A well-formed reply with its length; no body for HEAD."""
    keep = request.keeps_alive()
    headers = [*reply.headers, ("Connection", "keep-alive" if keep else "close")]
    if reply.status not in (204, 304):
        headers.append(("Content-Length", len(reply.body)))
    writer.write(wire.head(reply.status, headers))
    if request.method != "HEAD" and reply.body:
        writer.write(reply.body)
    await writer.drain()
    return keep


async def serve(host, port):
    """Listens until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    upstream = Upstream()
    try:
        server = await loop.create_server(upstream.protocol, host, port, backlog=1024)
    except OSError as error:
        print(f"demo upstream cannot listen on {host}:{port}: {os.strerror(error.errno)}", file=sys.stderr)
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    real_port = server.sockets[0].getsockname()[1]
    print(f"demo upstream listening on http://{host}:{real_port}", flush=True)
    await stop.wait()
    server.close()
    for task in list(upstream.tasks):
        task.cancel()
    return 0


def main():
    """Reads the options and serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0: any free port")
    options = parser.parse_args()
    return asyncio.run(serve(options.host, options.port))


if __name__ == "__main__":
    sys.exit(main())
