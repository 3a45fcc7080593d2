/*
 * protocol.test.mjs: the gateway as an HTTP server, before a stand-in for the extension (mock.sql).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';

import { Gateway, mock, noMock, program, raw, sleep } from './lib.mjs';

let g;
const skip = noMock;
const started = [];

async function start(options, environment) {
	const gateway = await Gateway.start(options, environment);
	started.push(gateway);
	return gateway.ready();
}

before(async () => {
	if (!skip) g = await start({ cors: 'https://app.example.org, https://other.example.org', 'max-body': '256kB', 'max-header': '16kB', pool: 4 });
});
after(async () => {
	for (const gateway of started) if (gateway.process.exitCode === null) await gateway.stop();
});

const get = (target, extra = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${extra}\r\n`;

function isOutcome(response, status, code) {
	assert.equal(response.status, status, JSON.stringify(response));
	assert.match(response.headers['content-type'], /^application\/fhir\+json/);
	const outcome = JSON.parse(response.body);
	assert.equal(outcome.resourceType, 'OperationOutcome');
	assert.equal(outcome.issue[0].severity, 'error');
	assert.ok(outcome.issue[0].diagnostics.length > 10);
	if (code) assert.equal(outcome.issue[0].code, code);
	return outcome;
}

/* One request over a socket of its own */
async function one(bytes, options) {
	const { responses, closed } = await raw(g.port, bytes, options);
	assert.equal(responses.length, 1, JSON.stringify(responses));
	return { ...responses[0], closed };
}

const echo = async (target, init) => (await fetch(`${g.url}/echo${target}`, init)).json();

test('path, query, headers and body reach the database', { skip }, async () => {
	const body = randomBytes(100000);
	const seen = await echo('/a%20b?x=1&name=M%C3%BCller&y=%2F', {
		method: 'POST', body, headers: { 'If-None-Exist': 'a=b', 'X-Custom': 'Grüße', 'Content-Type': 'application/json' } });
	assert.equal(seen.method, 'POST');
	assert.equal(seen.url, '/echo/a%20b?x=1&name=M%C3%BCller&y=%2F');
	assert.equal(seen.headers['if-none-exist'], 'a=b');
	assert.equal(seen.headers['x-custom'], 'Grüße');
	assert.equal(seen.headers['x-fhir-base'], g.url);
	assert.equal(seen.length, 100000);
	assert.equal(seen.md5, createHash('md5').update(body).digest('hex'));
	for (const hidden of ['connection', 'content-length', 'accept-encoding', 'origin', 'host']) assert.equal(seen.headers[hidden], undefined);
});

test('bodies come back byte by byte', { skip }, async () => {
	for (const size of [0, 1, 1023, 65536, 262144]) {
		const body = randomBytes(size);
		const response = await fetch(`${g.url}/mirror`, { method: 'POST', body });
		assert.ok(Buffer.from(await response.arrayBuffer()).equals(body), `${size} bytes`);
	}
});

test('bytes that are not ASCII in a target are percent-encoded', { skip }, async () => {
	const { body } = await one(Buffer.from(get('/fhir/echo/é?a=ü', 'Connection: close\r\n'), 'utf8'));
	assert.equal(JSON.parse(body).url, '/echo/%C3%A9?a=%C3%BC');
});

test('an absolute target is taken by its path', { skip }, async () => {
	assert.equal(JSON.parse((await one(get('http://elsewhere.example.org/fhir/echo/1?a=b'))).body).url, '/echo/1?a=b');
});

test('repeated headers are joined, names are lower case, x-fhir-* cannot be set by a client', { skip }, async () => {
	const seen = JSON.parse((await one(get('/fhir/echo', 'X-A: 1\r\nx-a: 2\r\nX-FHIR-Base: http://evil.example.org\r\nx-fhir-user: root\r\n'))).body);
	assert.equal(seen.headers['x-a'], '1, 2');
	assert.equal(seen.headers['x-fhir-base'], 'http://x/fhir');
	assert.equal(seen.headers['x-fhir-user'], undefined);
});

test('header values that are no UTF-8 do not break the call', { skip }, async () => {
	const seen = JSON.parse((await one(Buffer.from(get('/fhir/echo', 'X-A: caf\xe9 "\\\t\r\n'), 'latin1'))).body);
	assert.equal(seen.headers['x-a'].slice(0, 6), 'café "');
});

test('X-Forwarded-* are believed only from a trusted proxy; --public-url wins', { skip }, async () => {
	const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'ehr.example.org' };
	assert.equal((await echo('', { headers })).headers['x-fhir-base'], g.url);
	const trusting = await start({ 'trust-proxy': '10.0.0.0/8, 127.0.0.0/8' });
	assert.equal((await (await fetch(`${trusting.url}/echo`, { headers })).json()).headers['x-fhir-base'], 'https://ehr.example.org/fhir');
	const id = `for-${Date.now()}`;
	await (await fetch(`${trusting.url}/echo`, { headers: { 'X-Forwarded-For': '1.2.3.4, 198.51.100.7', 'X-Request-Id': id } })).text();
	assert.equal((await trusting.logged(id)).client, '198.51.100.7');
	const stranger = await start({ 'trust-proxy': '10.0.0.0/8' });
	await (await fetch(`${stranger.url}/echo`, { headers: { 'X-Forwarded-For': '198.51.100.7', 'X-Request-Id': id } })).text();
	assert.equal((await stranger.logged(id)).client, '127.0.0.1');
	assert.equal((await (await fetch(`${stranger.url}/echo`, { headers })).json()).headers['x-fhir-base'], stranger.url);
	const fixed = await start({ 'public-url': 'https://public.example.org/r4/', 'trust-proxy': '*' });
	assert.equal((await (await fetch(`${fixed.url}/echo`, { headers })).json()).headers['x-fhir-base'], 'https://public.example.org/r4');
});

test('Transfer-Encoding with Content-Length is refused and the connection closed', { skip }, async () => {
	const response = await one('POST /fhir/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + get('/fhir/echo/smuggled'));
	isOutcome(response, 400, 'structure');
	assert.ok(response.closed);
});

test('several Content-Length are refused, equal or not', { skip }, async () => {
	for (const second of ['5', '6']) {
		const response = await one(`POST /fhir/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: ${second}\r\n\r\nhello`);
		isOutcome(response, 400, 'structure');
		assert.ok(response.closed);
	}
});

test('other doubtful framing is refused', { skip }, async () => {
	for (const [header, status] of [['Transfer-Encoding: gzip, chunked', 501], ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 501],
		['Transfer-Encoding: identity', 501], ['Content-Length: +5', 400], ['Content-Length: 5, 5', 400], ['Content-Length: -1', 400], ['Content-Length: 0x5', 400],
		['Content-Length : 5', 400], ['Host: y', 400], ['Host: a/b', 400]]) {
		const { responses, closed } = await raw(g.port, `POST /fhir/echo HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
		assert.equal(responses[0]?.status, status, header);
		assert.ok(closed, header);
	}
});

test('what is no HTTP is refused with an OperationOutcome, and the connection closed', { skip }, async () => {
	const lines = 'Host: x\r\n\r\n';
	for (const [bytes, status] of [['\x16\x03\x01\x02\x00\x01\x00', 400], ['\0'.repeat(1000), 400], ['GET\r\n\r\n', 400], ['GET /livez\r\n\r\n', 400],
		[`GET /livez HTTP/3.0\r\n${lines}`, 505], [`GET /livez HTTP/0.9\r\n${lines}`, 505], [`GET /livez FTP/1.1\r\n${lines}`, 400], [`GET /livez HTTP/1.1 \r\n${lines}`, 400],
		[`GET  /livez HTTP/1.1\r\n${lines}`, 400], [`GET /li vez HTTP/1.1\r\n${lines}`, 400], [`GET /livez\x01 HTTP/1.1\r\n${lines}`, 400], [`G(T /livez HTTP/1.1\r\n${lines}`, 400],
		[` GET /livez HTTP/1.1\r\n${lines}`, 400], [`GET /livez HTTP/1.1\nHost: x\n\n`, 400], [`GET /livez HTTP/1.1\r\nHost: x\nX: y\r\n\r\n`, 400],
		[`GET /livez HTTP/1.1\r\nno colon here\r\n${lines}`, 400], [`GET /livez HTTP/1.1\r\n: empty\r\n${lines}`, 400], [`GET /livez HTTP/1.1\r\nX: a\r\n folded\r\n${lines}`, 400],
		[`GET /livez HTTP/1.1\r\nX : a\r\n${lines}`, 400], [`GET /livez HTTP/1.1\r\nX: a\0b\r\n${lines}`, 400], [`GET /livez HTTP/1.1\r\nX: a\rb\r\n${lines}`, 400]]) {
		const { responses, closed } = await raw(g.port, bytes + get('/fhir/echo/behind'), { quiet: 150 });
		assert.equal(responses.length, 1, JSON.stringify([bytes, responses]));
		isOutcome(responses[0], status, 'structure');
		assert.match(responses[0].headers['x-request-id'], /^[0-9a-f]{16}$/);
		assert.ok(closed, JSON.stringify(bytes));
	}
	for (let i = 0; i < 20; i++)
		for (const r of (await raw(g.port, randomBytes(2000), { quiet: 20 })).responses) assert.ok(r.status >= 400 && r.status < 600);
	isOutcome(await one('GET /fhir/echo HTTP/1.1\r\n\r\n'), 400, 'structure');
	assert.equal((await one(`\r\n\r\n${get('/livez')}`)).status, 200, 'empty lines before a request are passed over');
	assert.equal((await fetch(`${g.origin}/livez`)).status, 200);
});

test('chunks that are none are refused, and what follows is not taken for a request', { skip }, async () => {
	for (const body of ['x\r\n', '-1\r\n', '\r\n', '5\nhello\r\n0\r\n\r\n', '5\r\nhelloX\r\n0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '0x5\r\nhello\r\n0\r\n\r\n',
		'1000000000000000000\r\n', `0\r\n${'X: y\r\n'.repeat(4000)}\r\n`]) {
		const { responses, closed } = await raw(g.port, `POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body}${get('/fhir/echo/smuggled')}`, { quiet: 150 });
		assert.equal(responses.length, 1, JSON.stringify([body.slice(0, 50), responses]));
		isOutcome(responses[0], 400, 'structure');
		assert.ok(closed);
	}
});

test('requests may arrive in any pieces', { skip }, async () => {
	const bytes = Buffer.from(`POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n` +
		`PUT /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc${get('/livez')}`);
	await Promise.all(Array.from({ length: bytes.length - 1 }, async (_, i) => {
		const { responses } = await raw(g.port, bytes.subarray(0, i + 1), { parts: [[5 + i % 40, bytes.subarray(i + 1)]], quiet: 1000 });
		assert.deepEqual(responses.map((r) => r.body), ['hello world', 'abc', 'alive\n'], `split at ${i + 1}`);
	}));
	const one = Array.from(bytes, (b) => [1, Buffer.from([b])]);
	assert.deepEqual((await raw(g.port, '', { parts: one })).responses.map((r) => r.body), ['hello world', 'abc', 'alive\n']);
});

test('many requests sent ahead are answered in order, up to the one that closes', { skip }, async () => {
	const targets = Array.from({ length: 300 }, (_, i) => (i % 3 ? `/fhir/echo/${i}` : '/livez'));
	const { responses, closed } = await raw(g.port, targets.map((t, i) => get(t, i === 250 ? 'Connection: close\r\n' : '')).join(''), { quiet: 1000 });
	assert.equal(responses.length, 251);
	responses.forEach((r, i) => assert.equal(r.body.startsWith('alive') ? '/livez' : `/fhir${JSON.parse(r.body).url}`, targets[i]));
	assert.ok(closed);
});

test('a client that has closed its sending side still gets its answers', { skip }, async () => {
	const text = await new Promise((resolve, reject) => {
		const socket = net.connect({ port: g.port, host: '127.0.0.1', allowHalfOpen: true });
		let got = '';
		socket.setEncoding('latin1').on('data', (part) => (got += part)).on('end', () => { socket.destroy(); resolve(got); }).on('error', reject);
		socket.end(get('/fhir/echo/1') + get('/fhir/echo/2'));
	});
	assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
	assert.match(text, /echo\/2/);
});

test('a client that reads slowly gets all, one that does not read is closed, others are served meanwhile', { skip }, async () => {
	const patient = await start({ 'idle-timeout': '1500ms' });
	const read = (pause) => new Promise((resolve) => {
		const socket = net.connect(patient.port, '127.0.0.1');
		let length = 0;
		socket.on('data', (part) => (length += part.length)).on('close', () => resolve(length)).on('error', () => {});
		socket.write(get('/fhir/big/30000000', 'Connection: close\r\n'));
		socket.pause();
		setTimeout(() => socket.resume(), pause);
	});
	const slow = read(700);
	const never = read(20000);
	const begun = Date.now();
	for (let i = 0; i < 20; i++) assert.equal((await fetch(`${patient.url}/echo`)).status, 200);
	assert.ok(Date.now() - begun < 10000);
	assert.ok(await slow > 30000000);
	for (let i = 0; i < 100 && (await patient.metrics()).fhir_gateway_requests_in_progress > 1; i++) await sleep(50);
	const m = await patient.metrics();
	assert.equal(m.fhir_gateway_requests_in_progress, 1);
	assert.equal(m['fhir_gateway_requests_total{method="GET",status="0"}'], 1);
	void never;
});

test('connections beyond the limit wait for their turn', { skip }, async () => {
	const few = await Gateway.start({ 'max-connections': 3 }); /* not asked by fetch, which keeps its connection */
	started.push(few);
	const held = await Promise.all([1, 2, 3].map(() => new Promise((resolve) => {
		const socket = net.connect(few.port, '127.0.0.1', () => resolve(socket));
	})));
	await sleep(100);
	const waiting = raw(few.port, get('/livez'), { quiet: 1500 });
	const early = await Promise.race([waiting.then(() => 'answered'), sleep(400).then(() => 'waits')]);
	assert.equal(early, 'waits');
	held[0].destroy();
	assert.equal((await waiting).responses[0]?.status, 200);
	for (const socket of held) socket.destroy();
});

test('header fields of the database cannot bring others along', { skip }, async () => {
	const { responses, text } = await raw(g.port, get('/fhir/header'));
	assert.equal(responses[0].status, 200);
	assert.equal(responses[0].headers['x-fine'], 'd');
	assert.doesNotMatch(text, /Injected/);
});

test('413 before the body is read, with Expect', { skip }, async () => {
	const response = await one('POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nExpect: 100-continue\r\n\r\n');
	isOutcome(response, 413, 'too-long');
	assert.ok(response.closed);
});

test('413 at once without Expect, and the client that sends on gets to read it', { skip }, async () => {
	const head = 'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n';
	isOutcome(await one(head), 413, 'too-long');
	isOutcome(await one(head + 'x'.repeat(300000)), 413, 'too-long');
});

test('413 for a chunked body as soon as it passes the limit', { skip }, async () => {
	const chunk = `10000\r\n${'x'.repeat(65536)}\r\n`;
	const head = 'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
	isOutcome(await one(head + chunk.repeat(5)), 413, 'too-long');
	isOutcome(await one(`${head}${chunk.repeat(5)}0\r\n\r\n${get('/fhir/echo')}`), 413, 'too-long');
});

test('100 Continue is sent when the body is welcome', { skip }, async () => {
	const { responses } = await raw(g.port, 'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n', { parts: [[200, 'hello']] });
	assert.deepEqual(responses.map((r) => r.status), [100, 200]);
	assert.equal(responses[1].body, 'hello');
	isOutcome(await one('POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\nhello'), 417);
});

test('chunked bodies, split anywhere', { skip }, async () => {
	const { responses } = await raw(g.port, 'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r',
		{ parts: [[30, '\nab'], [30, 'c\r\n'], [30, '2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n'], [30, '\r\n']] });
	assert.equal(responses[0].body, 'abcde');
});

test('431 for too large and too many headers, 414 for a long target', { skip }, async () => {
	isOutcome(await one(get('/fhir/echo', `X-A: ${'a'.repeat(17000)}\r\n`)), 431, 'too-long');
	isOutcome(await one(get('/fhir/echo', 'X-A: a\r\n'.repeat(150))), 431, 'too-long');
	isOutcome(await one(get(`/fhir/echo?a=${'a'.repeat(9000)}`)), 414, 'too-long');
	const { responses } = await raw(g.port, get('/fhir/echo', `X-A: ${'a'.repeat(200000)}\r\n`));
	assert.equal(responses[0]?.status ?? 431, 431);
});

test('keep-alive and pipelining: answers in the order of the requests', { skip }, async () => {
	const { responses } = await raw(g.port, get('/fhir/sleep/0.2') + get('/fhir/echo/2') +
		'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' + get('/livez') + get('/fhir/echo/5'));
	assert.deepEqual(responses.map((r) => r.status), [200, 200, 200, 200, 200]);
	assert.equal(JSON.parse(responses[1].body).url, '/echo/2');
	assert.equal(responses[2].body, 'hello');
	assert.equal(responses[3].body, 'alive\n');
	assert.equal(JSON.parse(responses[4].body).url, '/echo/5');
});

test('HTTP/1.0 and Connection: close end the connection, else it stays', { skip }, async () => {
	assert.ok((await one('GET /fhir/echo HTTP/1.0\r\n\r\n')).closed);
	assert.ok((await one(get('/fhir/echo', 'Connection: close\r\n'))).closed);
	assert.ok(!(await one(get('/fhir/echo'))).closed);
	assert.ok(!(await one(get('/nowhere'))).closed);
});

test('HEAD is GET without the body', { skip }, async () => {
	const { responses } = await raw(g.port, 'HEAD /fhir/big/5000 HTTP/1.1\r\nHost: x\r\n\r\n' + 'HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	const text = (await raw(g.port, 'HEAD /fhir/big/5000 HTTP/1.1\r\nHost: x\r\n\r\n')).text;
	assert.match(text, /^HTTP\/1\.1 200 /);
	assert.match(text, /\r\nContent-Length: 4994\r\n/i);
	assert.ok(text.endsWith('\r\n\r\n'));
	assert.ok(responses.length >= 1);
	const seen = await fetch(`${g.url}/echo`, { method: 'HEAD' });
	assert.equal(seen.status, 200);
	assert.equal(seen.headers.get('etag'), 'W/"1"');
});

test('CORS: preflight, allowed and other origins', { skip }, async () => {
	const preflight = (origin) => fetch(`${g.url}/Patient`, { method: 'OPTIONS', headers: {
		Origin: origin, 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'content-type, if-match' } });
	const yes = await preflight('https://app.example.org');
	assert.equal(yes.status, 204);
	assert.equal(yes.headers.get('access-control-allow-origin'), 'https://app.example.org');
	assert.match(yes.headers.get('access-control-allow-methods'), /PUT/);
	assert.equal(yes.headers.get('access-control-allow-headers'), 'content-type, if-match');
	const no = await preflight('https://app.example.org.evil.example');
	assert.equal(no.headers.get('access-control-allow-origin'), null);
	assert.equal(no.headers.get('access-control-allow-methods'), null);
	for (const target of ['/fhir/echo', '/fhir/raise/XX000', '/nowhere']) {
		const simple = await fetch(g.origin + target, { headers: { Origin: 'https://other.example.org' } });
		assert.equal(simple.headers.get('access-control-allow-origin'), 'https://other.example.org', target);
		assert.match(simple.headers.get('access-control-expose-headers'), /ETag/);
		assert.match(simple.headers.get('vary'), /Origin/);
	}
	assert.equal((await fetch(`${g.url}/echo`)).headers.get('access-control-allow-origin'), null);
	const all = await start({ cors: '*' });
	assert.equal((await fetch(`${all.url}/echo`, { headers: { Origin: 'https://a.example' } })).headers.get('access-control-allow-origin'), '*');
});

/* over node:http: fetch decompresses by itself */
const plainGet = (target, headers) => new Promise((resolve, reject) => http.get(g.origin + target, { headers }, (r) => {
	const parts = [];
	r.on('data', (p) => parts.push(p)).on('end', () => resolve({ status: r.statusCode, headers: r.headers, body: Buffer.concat(parts) }));
}).on('error', reject));

test('answers are compressed when accepted and worth it', { skip }, async () => {
	for (const size of [4096, 3000000]) {
		const zipped = await plainGet(`/fhir/big/${size}`, { 'accept-encoding': 'gzip' });
		const plain = await plainGet(`/fhir/big/${size}`, {});
		assert.equal(zipped.headers['content-encoding'], 'gzip');
		assert.match(zipped.headers.vary, /Accept-Encoding/);
		assert.equal(plain.headers['content-encoding'], undefined);
		assert.ok(zipped.body.length < size / 10);
		assert.ok(gunzipSync(zipped.body).equals(plain.body), `${size} bytes`);
	}
	for (const accept of ['gzip;q=0', 'br', 'identity'])
		assert.equal((await plainGet('/fhir/big/4096', { 'accept-encoding': accept })).headers['content-encoding'], undefined, accept);
	assert.equal((await plainGet('/fhir/big/512', { 'accept-encoding': 'gzip' })).headers['content-encoding'], undefined);
});

test('compressed request bodies; bombs, junk and cut ones are refused', { skip }, async () => {
	const post = (body, encoding = 'gzip') => fetch(`${g.url}/mirror`, { method: 'POST', body, headers: { 'Content-Encoding': encoding } });
	const body = randomBytes(50000).toString('base64');
	assert.equal(await (await post(gzipSync(body))).text(), body);
	assert.equal(await (await post(gzipSync(''))).text(), '');
	assert.equal((await post(gzipSync(Buffer.alloc(3000000)))).status, 413);
	assert.equal((await post(gzipSync(body).subarray(0, 1000))).status, 400);
	assert.equal((await post(Buffer.concat([gzipSync(body), Buffer.from('more')]))).status, 400);
	assert.equal((await post('no gzip')).status, 400);
	assert.equal((await post(body, 'br')).status, 415);
});

test('methods', { skip }, async () => {
	for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) assert.equal((await echo('', { method })).method, method);
	for (const method of ['TRACE', 'CONNECT', 'BREW', 'get']) {
		const { responses } = await raw(g.port, `${method} /fhir/echo HTTP/1.1\r\nHost: x\r\n\r\n`);
		isOutcome(responses[0], 405, 'not-supported');
		assert.match(responses[0].headers.allow, /DELETE/);
	}
	assert.match((await fetch(`${g.url}/Patient`, { method: 'OPTIONS' })).headers.get('allow'), /PATCH/);
	for (const path of ['livez', 'readyz', 'metrics']) assert.equal((await fetch(`${g.origin}/${path}`, { method: 'POST' })).status, 405);
});

test('outside the base: 404; the base itself is passed on', { skip }, async () => {
	for (const target of ['/', '/nowhere', '/fhirx', '/fhi', '/fhir2/Patient']) isOutcome((await raw(g.port, get(target))).responses[0], 404);
	const bare = await start({ base: '' });
	assert.equal((await (await fetch(`${bare.origin}/echo/1`)).json()).url, '/echo/1');
	const deep = await start({ base: '/a/b/' });
	assert.equal((await (await fetch(`${deep.origin}/a/b/echo/1`)).json()).headers['x-fhir-base'], `${deep.origin}/a/b`);
});

test('errors of the database as OperationOutcome with the right status', { skip }, async () => {
	for (const [state, status] of [['FH412', 412], ['FH422', 422], ['40001', 409], ['40P01', 409], ['57014', 504], ['53200', 503], ['25006', 503], ['XX000', 500], ['22P02', 500], ['22021', 400]]) {
		const { responses } = await raw(g.port, get(`/fhir/raise/${state}`));
		isOutcome(responses[0], status);
		assert.equal(responses[0].headers['retry-after'] !== undefined, status === 503, state);
		if (status === 500) assert.ok(!responses[0].body.includes('raised by request'), 'internal errors stay inside');
	}
	isOutcome((await raw(g.port, get('/fhir/bad'))).responses[0], 500);
	for (const status of [201, 204, 304, 410]) assert.equal((await fetch(`${g.url}/status/${status}`)).status, status);
});

test('X-Request-Id is kept when harmless, else made', { skip }, async () => {
	const kept = await fetch(`${g.url}/echo`, { headers: { 'X-Request-Id': 'abc-123.x' } });
	assert.equal(kept.headers.get('x-request-id'), 'abc-123.x');
	assert.equal((await kept.json()).headers['x-request-id'], 'abc-123.x');
	const made = new Set();
	for (const id of ['a b', 'x'.repeat(200), '"', undefined]) {
		const r = await fetch(`${g.url}/echo`, { headers: id ? { 'X-Request-Id': id } : {} });
		assert.match(r.headers.get('x-request-id'), /^[0-9a-f]{16}$/);
		made.add(r.headers.get('x-request-id'));
	}
	assert.equal(made.size, 4);
});

test('the access log has a line a request and no values of the query', { skip }, async () => {
	const r = await fetch(`${g.url}/echo/1?name=Smith&birthdate=1970-01-01&_count`, { method: 'POST', body: 'hello' });
	await r.text();
	const line = await g.logged(r.headers.get('x-request-id'));
	assert.equal(line.path, '/fhir/echo/1?name&birthdate&_count');
	assert.equal(line.method, 'POST');
	assert.equal(line.status, 200);
	assert.equal(line.in, 5);
	assert.ok(line.out > 100 && line.ms >= 0 && line.ms < 10000);
	assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 60000);
	assert.equal(line.client, '127.0.0.1');
});

test('metrics count', { skip }, async () => {
	const first = await g.metrics();
	for (let i = 0; i < 5; i++) await (await fetch(`${g.url}/mirror`, { method: 'PUT', body: 'x'.repeat(10) })).text();
	await (await fetch(`${g.url}/raise/FH410`)).text();
	const then = await g.metrics();
	const grown = (name) => (then[`fhir_gateway_${name}`] || 0) - (first[`fhir_gateway_${name}`] || 0);
	assert.equal(grown('requests_total{method="PUT",status="200"}'), 5);
	assert.equal(grown('requests_total{method="GET",status="410"}'), 1);
	assert.equal(grown('request_bytes_total'), 50);
	assert.equal(grown('request_seconds_count'), 7);
	assert.equal(then['fhir_gateway_request_seconds_bucket{le="+Inf"}'], then.fhir_gateway_request_seconds_count);
	assert.equal(then.fhir_gateway_pool_size, 4);
	assert.ok(then['fhir_gateway_pool_connections{database="primary",state="idle"}'] >= 1);
});

test('the pool is bounded, the queue too: 503 with Retry-After', { skip }, async () => {
	const small = await start({ pool: 2, queue: 3 });
	const answers = await Promise.all(Array.from({ length: 12 }, () => fetch(`${small.url}/sleep/0.5`)));
	const refused = answers.filter((r) => r.status === 503);
	assert.equal(answers.filter((r) => r.status === 200).length, 5);
	assert.equal(refused.length, 7);
	for (const r of refused) {
		assert.equal(r.headers.get('retry-after'), '1');
		assert.equal((await r.json()).issue[0].code, 'throttled');
	}
	assert.equal((await small.metrics())['fhir_gateway_pool_rejected_total{database="primary"}'], 7);
});

test('a busy pool is still ready', { skip }, async () => {
	const small = await start({ pool: 1 });
	const running = Array.from({ length: 20 }, () => fetch(`${small.url}/sleep/0.1`));
	for (let i = 0; i < 10; i++) {
		assert.equal((await fetch(`${small.origin}/readyz`)).status, 200);
		await sleep(50);
	}
	await Promise.all(running);
});

test('504 at the request timeout, and the statement is cancelled', { skip }, async () => {
	const hasty = await start({ 'request-timeout': '300ms', pool: 1, queue: 5 });
	const begun = Date.now();
	const [late, queued] = await Promise.all([fetch(`${hasty.url}/sleep/30`), sleep(50).then(() => fetch(`${hasty.url}/sleep/30`))]);
	assert.equal(late.status, 504);
	assert.equal((await late.json()).issue[0].code, 'timeout');
	assert.equal(queued.status, 504);
	assert.ok(Date.now() - begun < 3000);
	assert.equal((await fetch(`${hasty.url}/echo`)).status, 200);
	const running = spawnSync('psql', ['-XAtc', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%fhir_http%' AND state = 'active' AND wait_event = 'PgSleep'", '-d', mock]);
	assert.equal(String(running.stdout).trim(), '0');
	assert.ok((await hasty.metrics())['fhir_gateway_pool_cancels_total{database="primary"}'] >= 1);
});

test('slow clients are disconnected, in the header and in the body', { skip }, async () => {
	const strict = await start({ 'idle-timeout': '600ms' });
	const slow = async (head, drip) => {
		const begun = Date.now();
		const result = await raw(strict.port, head, { parts: Array.from({ length: 30 }, () => [100, drip]), quiet: 3000 }).catch(() => ({ closed: true, responses: [] }));
		return { ...result, took: Date.now() - begun };
	};
	const header = slow('GET /fhir/echo HTTP/1.1\r\nHost: x\r\nX-A: ', 'a');
	const body = slow('POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n', 'a');
	const idle = raw(strict.port, get('/livez'), { quiet: 3000 });
	assert.ok((await header).closed);
	const refused = await body;
	assert.ok(refused.closed);
	if (refused.responses.length) isOutcome(refused.responses[0], 408, 'timeout');
	assert.ok((await idle).closed, 'an idle connection is closed');
	assert.equal((await fetch(`${strict.origin}/livez`)).status, 200);
});

test('many connections at once, each with its own answers', { skip }, async () => {
	const work = async (n) => {
		for (let i = 0; i < 20; i++) {
			const body = `${n}-${i}-${'x'.repeat((n * 37 + i * 101) % 5000)}`;
			const r = await fetch(`${g.url}/mirror`, { method: 'POST', body });
			assert.equal(await r.text(), body);
		}
	};
	await Promise.all(Array.from({ length: 50 }, (_, n) => work(n)));
});

test('clients that vanish leave nothing behind', { skip }, async () => {
	for (let i = 0; i < 200; i++) {
		const socket = net.connect(g.port, '127.0.0.1');
		socket.on('error', () => {});
		await new Promise((resolve) => socket.on('connect', resolve));
		socket.write(i % 2 ? get('/fhir/sleep/0.01') : 'POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\nhalf');
		if (i % 3) await sleep(1);
		i % 5 ? socket.destroy() : socket.resetAndDestroy();
	}
	for (let i = 0; i < 100; i++) {
		const m = await g.metrics();
		if (m.fhir_gateway_requests_in_progress === 1 && m.fhir_gateway_connections <= 60) return;
		await sleep(50);
	}
	assert.fail(JSON.stringify(await g.metrics()));
});

test('a read whose client is gone is cancelled, a write is finished', { skip }, async () => {
	const small = await start({ pool: 2 });
	const leave = async (bytes) => {
		const socket = net.connect(small.port, '127.0.0.1');
		await new Promise((resolve) => socket.on('connect', resolve));
		socket.write(bytes);
		await sleep(100);
		socket.destroy();
	};
	const id = `left-${Date.now()}`;
	await leave(`PUT /fhir/Thing/${id}?2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`);
	await leave(get('/fhir/sleep/30'));
	const busy = 'fhir_gateway_pool_connections{database="primary",state="busy"}';
	let m;
	for (let i = 0; i < 100 && ((m = await small.metrics())[busy] > 0); i++) await sleep(50);
	assert.equal(m[busy], 0);
	assert.equal(m['fhir_gateway_pool_cancels_total{database="primary"}'], 1);
	assert.equal((await fetch(`${small.url}/Thing/${id}`)).status, 200);
});

test('memory stays flat over many requests, large and small', { skip }, async () => {
	const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${g.process.pid}/status`))[1]);
	const round = async () => {
		for (let i = 0; i < 40; i++)
			await Promise.all(Array.from({ length: 8 }, async (_, n) => {
				await (await fetch(`${g.url}/mirror`, { method: 'POST', body: 'x'.repeat(200000) })).text();
				await (await fetch(`${g.url}/big/${n * 100000}`)).text();
				await (await fetch(`${g.url}/raise/XX000`)).text();
			}));
	};
	await round();
	const early = rss();
	for (let i = 0; i < 3; i++) await round();
	assert.ok(rss() < early * 1.3 + 4000, `${early} kB, then ${rss()} kB`);
});

test('bodies in progress are bounded together', { skip }, async () => {
	const tight = await start({ 'max-memory': '100kB', 'max-body': '90kB' });
	assert.equal((await fetch(`${tight.url}/mirror`, { method: 'POST', body: 'x'.repeat(80000) })).status, 200);
	const half = net.connect(tight.port, '127.0.0.1');
	half.write(`POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n${'x'.repeat(60000)}`);
	await sleep(200);
	assert.equal((await raw(tight.port, `POST /fhir/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n${'x'.repeat(80000)}`)).responses[0].status, 503);
	half.destroy();
	await sleep(200);
	assert.equal((await fetch(`${tight.url}/mirror`, { method: 'POST', body: 'x'.repeat(80000) })).status, 200);
});

test('several threads serve alike', { skip }, async () => {
	const many = await start({ threads: 3, pool: 6 });
	const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => fetch(`${many.url}/echo/${i}`).then((r) => r.json())));
	answers.forEach((a, i) => assert.equal(a.url, `/echo/${i}`));
	const m = await many.metrics();
	assert.equal(m['fhir_gateway_requests_total{method="GET",status="200"}'] >= 200, true);
	assert.deepEqual(await many.stop(), { code: 0, signal: null });
});

test('a Unix socket', { skip }, async () => {
	const file = path.join(mkdtempSync(path.join(tmpdir(), 'gateway-')), 'socket');
	const local = await Gateway.start({ listen: `unix:${file}` });
	started.push(local);
	const ask = (target) => new Promise((resolve, reject) => http.get({ socketPath: file, path: target }, (r) => {
		let text = '';
		r.on('data', (p) => (text += p)).on('end', () => resolve({ status: r.statusCode, text }));
	}).on('error', reject));
	for (let i = 0; i < 50 && (await ask('/readyz')).status !== 200; i++) await sleep(50);
	assert.equal(JSON.parse((await ask('/fhir/echo')).text).method, 'GET');
	await local.stop();
	await assert.rejects(ask('/livez'));
});

test('TLS', { skip }, async () => {
	const dir = mkdtempSync(path.join(tmpdir(), 'gateway-'));
	const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`]);
	assert.equal(made.status, 0, String(made.stderr));
	const secure = await Gateway.start({ 'tls-cert': `${dir}/cert.pem`, 'tls-key': `${dir}/key.pem`, 'max-body': '64kB' });
	started.push(secure);
	assert.equal(secure.scheme, 'https');
	const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true });
	const ask = (target, body) => new Promise((resolve, reject) => {
		const request = https.request({ port: secure.port, host: '127.0.0.1', path: target, agent, method: body ? 'POST' : 'GET' }, (r) => {
			let text = '';
			r.on('data', (p) => (text += p)).on('end', () => resolve({ status: r.statusCode, text }));
		}).on('error', reject);
		request.end(body);
	});
	for (let i = 0; i < 50 && (await ask('/readyz')).status !== 200; i++) await sleep(50);
	assert.match(JSON.parse((await ask('/fhir/echo')).text).headers['x-fhir-base'], /^https:/);
	assert.equal((await ask('/fhir/mirror', 'y'.repeat(60000))).text.length, 60000);
	assert.ok((await ask('/fhir/big/1000000')).text.length > 999000);
	const large = await ask('/fhir/mirror', 'y'.repeat(3000000)).catch((e) => e);
	assert.equal(large.status, 413, String(large));
	assert.equal(JSON.parse(large.text).resourceType, 'OperationOutcome');
	/* several on one connection, sent ahead; and bytes that are no TLS */
	const socket = tls.connect({ port: secure.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] });
	let got = '';
	socket.setEncoding('latin1').on('data', (part) => (got += part));
	socket.write(get('/fhir/echo/1') + get('/fhir/echo/2') + get('/livez', 'Connection: close\r\n'));
	await new Promise((resolve) => socket.on('end', resolve));
	assert.equal(socket.alpnProtocol, 'http/1.1');
	assert.equal(got.match(/HTTP\/1\.1 200 OK/g)?.length, 3);
	await raw(secure.port, get('/livez')).then((r) => assert.equal(r.responses.length, 0), () => {});
	await raw(secure.port, randomBytes(500)).catch(() => {});
	assert.equal((await ask('/livez')).text, 'alive\n');
	agent.destroy();
	const refused = spawnSync(program, ['--tls-cert', `${dir}/cert.pem`]);
	assert.equal(refused.status, 2);
	const wrong = spawnSync(program, ['--tls-cert', `${dir}/key.pem`, '--tls-key', `${dir}/key.pem`]);
	assert.equal(wrong.status, 2);
	assert.match(String(wrong.stderr), /tls-cert/);
});

test('options by file, environment and flag, in that order; mistakes are named', { skip }, async () => {
	const file = path.join(mkdtempSync(path.join(tmpdir(), 'gateway-')), 'gateway.conf');
	writeFileSync(file, '# a comment\nbase = /from-file\nmax-body = "2kB"\npool = 1\n');
	const a = await start({ config: file }, {});
	assert.equal(a.base, '/from-file');
	assert.equal((await a.metrics()).fhir_gateway_pool_size, 1);
	const b = await start({ config: file }, { FHIR_GATEWAY_BASE: '/from-environment' });
	assert.equal(b.base, '/from-environment');
	const c = await start({ config: file, base: '/from-flag' }, { FHIR_GATEWAY_BASE: '/from-environment' });
	assert.equal(c.base, '/from-flag');
	assert.equal((await fetch(`${c.url}/mirror`, { method: 'POST', body: 'x'.repeat(3000) })).status, 413);
	for (const [flags, text] of [[['--nonsense', '1'], /no such option/], [['--pool', 'x'], /whole number/], [['--pool', '0'], /range/],
		[['--max-body', '1'], /range/], [['--idle-timeout', '5 weeks'], /time/], [['--config', '/nowhere'], /cannot open/], [['--base'], /value must follow/],
		[['--listen', 'nowhere'], /cannot listen/], [['--trust-proxy', 'a'], /no address/], [['--trust-proxy', '10.0.0.0/x'], /no address/], [['--trust-proxy', '10.0.0.0/33'], /no address/], [['--public-url', 'ftp://x'], /http/]]) {
		const ended = spawnSync(program, flags);
		assert.equal(ended.status, 2, flags.join(' '));
		assert.match(String(ended.stderr), text);
	}
});

test('SIGHUP reopens the access log', { skip }, async () => {
	const dir = mkdtempSync(path.join(tmpdir(), 'gateway-'));
	const logging = await start({ 'access-log': `${dir}/log` });
	await fetch(`${logging.url}/echo/1`);
	await sleep(300);
	spawnSync('mv', [`${dir}/log`, `${dir}/old`]);
	logging.process.kill('SIGHUP');
	await sleep(300);
	await fetch(`${logging.url}/echo/2`);
	await logging.stop();
	assert.match(readFileSync(`${dir}/old`, 'utf8'), /echo\/1/);
	assert.match(readFileSync(`${dir}/log`, 'utf8'), /echo\/2/);
});

test('SIGTERM: unready, what runs is finished, exit 0', { skip }, async () => {
	const ending = await start({ 'drain-delay': '500ms' });
	const running = fetch(`${ending.url}/sleep/1.5`);
	const idle = raw(ending.port, get('/livez'), { quiet: 5000 });
	await sleep(200);
	ending.process.kill('SIGTERM');
	await sleep(100);
	assert.equal((await fetch(`${ending.origin}/readyz`)).status, 503, 'unready, but still accepting');
	assert.equal((await fetch(`${ending.url}/echo`)).status, 200);
	await sleep(700);
	await assert.rejects(raw(ending.port, get('/livez')), { code: 'ECONNREFUSED' }, 'accepts no more');
	assert.equal((await running).status, 200);
	assert.ok((await idle).closed);
	assert.deepEqual(await ending.exited, { code: 0, signal: null });
});

test('SIGTERM: what does not end in time is cut off, exit 1', { skip }, async () => {
	const ending = await start({ 'drain-timeout': '300ms' });
	const running = fetch(`${ending.url}/sleep/5`).catch((e) => e);
	await sleep(200);
	assert.deepEqual(await ending.stop(), { code: 1, signal: null });
	assert.ok((await running) instanceof Error);
});
