// A peer: Node with undici, the client that Node's own fetch is built on. One process;
// each request starts its calls together and merges the parsed bodies.
//
//   node node_undici.mjs SETTINGS UNDICI   (JSON, see calls.py; the package's directory)
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const settings = JSON.parse(process.argv[2]);
const { Pool } = createRequire(import.meta.url)(process.argv[3]);
const ca = readFileSync(settings.ca);

function pools(group) {
    const scheme = group === 'tls' ? 'https' : 'http';
    return settings[group].map(port => new Pool(`${scheme}://127.0.0.1:${port}`, {
        connections: 4096, pipelining: 1, keepAliveTimeout: 600e3, keepAliveMaxTimeout: 600e3,
        connect: { ca },
    }));
}

const groups = { plain: pools('plain'), tls: pools('tls'), late: pools('late') };

function target(work, number) {
    if (work === 'mix') return ['late', ['missing', 'chunked'][number] ?? 'quick'];
    if (work === 'tls') return ['tls', 'small'];
    return [work.startsWith('late') ? 'late' : 'plain', work];
}

async function call(work, number) {
    const [group, name] = target(work, number);
    const pool = groups[group][number % groups[group].length];
    const { statusCode, body } = await pool.request({ method: 'GET', path: `/${name}` });
    const value = await body.json();
    if (statusCode !== 200 && !(work === 'mix' && statusCode === 404))
        throw new Error(`status ${statusCode}`);
    return value;
}

async function answer(request, response) {
    const [, work, width] = request.url.split('/');
    try {
        const values = await Promise.all(Array.from({ length: +width }, (_, n) => call(work, n)));
        const merged = {};
        values.forEach((value, n) => { merged[`r${n + 1}`] = value; });
        const text = Buffer.from(JSON.stringify(merged));
        response.writeHead(200, { 'Content-Type': 'application/json',
                                  'Content-Length': text.length });
        response.end(text);
    } catch (error) {
        response.writeHead(502);
        response.end(String(error));
    }
}

const server = createServer(answer);
server.keepAliveTimeout = 600e3;
server.listen(settings.port, '127.0.0.1', 4096);
