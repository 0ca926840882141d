"""A peer: asynchronous Python. One event loop with an aiohttp server and an aiohttp
client; each request gathers its calls and merges the decoded bodies."""
import asyncio
import json
import ssl

import aiohttp
from aiohttp import web

from calls import accepts, settings, urls


async def fetch(session, url, path):
    async with session.get(url) as reply:
        if not accepts(reply.status, path):
            reply.raise_for_status()
        return await reply.json()


async def answer(request):
    session = request.app["session"]
    values = await asyncio.gather(*(fetch(session, url, request.path)
                                    for url in urls(request.path)))
    return web.json_response({f"r{n + 1}": value for n, value in enumerate(values)},
                             dumps=json.dumps)


async def client(app):
    context = ssl.create_default_context(cafile=settings["ca"])
    connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=900)
    app["session"] = aiohttp.ClientSession(connector=connector,
                                           timeout=aiohttp.ClientTimeout(total=10))
    yield
    await app["session"].close()


app = web.Application()
app.cleanup_ctx.append(client)
app.router.add_get("/{work}/{width}", answer)
web.run_app(app, host="127.0.0.1", port=settings["port"], access_log=None, backlog=1024,
            print=None)
