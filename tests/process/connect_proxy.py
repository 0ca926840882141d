"""An HTTP proxy that knows CONNECT: asyncio in a thread, ended with its loop."""

import asyncio
import base64
import threading

BOUND = 10.0


class ConnectProxy:
    """The proxy; use it in a with statement. It reaches `names` (a name to a port on
    loopback) and literals; `user` is what it wants to hear; `refusal` is sent instead of
    a tunnel (None: nothing, ever), and then it closes when it is told to."""

    TUNNEL = object()

    def __init__(self, names=None, user=None, refusal=TUNNEL, close=True):
        self.names, self.user = names or {}, user
        self.refusal, self.close = refusal, close
        self.heads = []
        self.left = 0
        self.loop = asyncio.new_event_loop()
        self.tasks = set()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        started = asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.server = asyncio.run_coroutine_threadsafe(started, self.loop).result(BOUND)
        self.port = self.server.sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.stop(), self.loop).result(BOUND)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(BOUND)
        self.loop.close()

    async def stop(self):
        """Ends what it serves."""
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def serve(self, reader, writer):
        """One connection."""
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode("latin-1"))
            await self.answer(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left += 1
            self.tasks.discard(task)
            writer.close()

    async def answer(self, head, reader, writer):
        """What comes after the request's head."""
        refusal = self.refusal
        if refusal is self.TUNNEL and self.user and not self.knows(head):
            refusal = b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n" \
                      b"Content-Length: 2\r\n\r\nno"
        if refusal is self.TUNNEL:
            await self.tunnel(head, reader, writer)
            return
        writer.write(refusal or b"")
        await writer.drain()
        if not self.close or refusal is None:
            await reader.read()

    def knows(self, head):
        """Whether the head has the credentials."""
        token = base64.b64encode(self.user.encode()).decode()
        return f"\r\nproxy-authorization: basic {token}\r\n".lower() in head.decode().lower()

    async def tunnel(self, head, reader, writer):
        """Bytes both ways until one side ends."""
        host, _, port = head.split()[1].decode().rpartition(":")
        port = self.names.get(host, port)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
            ways = [asyncio.ensure_future(copy(reader, up_writer)),
                    asyncio.ensure_future(copy(up_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            up_writer.close()


async def copy(reader, writer):
    """Until the end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
