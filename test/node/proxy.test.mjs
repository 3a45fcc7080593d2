/*
 * proxy.test.mjs: the reference configurations of nginx and HAProxy (docs/proxy) before the gateway, as they are but for ports,
 * names and certificates. Skipped where these programs are not installed.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';

import { Gateway, noMock, root, sleep } from './lib.mjs';

const find = (name) => ['/usr/sbin', '/usr/bin', '/usr/local/sbin'].map((d) => path.join(d, name)).find(existsSync);
const started = [];
after(async () => {
	for (const { process } of started) if (process.exitCode === null) process.kill('SIGTERM');
});

const freePort = () => new Promise((resolve) => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

function certificate(dir) {
	const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=ehr.example.org', '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`]);
	assert.equal(made.status, 0, String(made.stderr));
	writeFileSync(`${dir}/both.pem`, readFileSync(`${dir}/cert.pem`, 'utf8') + readFileSync(`${dir}/key.pem`, 'utf8'));
}

/* The gateway, and a proxy before it; `configure` answers the proxy's arguments */
async function behind(program, configure) {
	const dir = mkdtempSync(path.join(tmpdir(), 'proxy-'));
	certificate(dir);
	const gateway = await Gateway.start({ 'public-url': 'https://ehr.example.org/fhir', 'max-body': '1MB' });
	started.push(gateway);
	await gateway.ready();
	const port = await freePort();
	const proxy = { process: spawn(program, configure(dir, port, gateway.port), { stdio: ['ignore', 'pipe', 'pipe'] }), said: '' };
	for (const out of [proxy.process.stdout, proxy.process.stderr]) out.setEncoding('utf8').on('data', (part) => (proxy.said += part));
	started.push(proxy);
	const ask = (target, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
		const request = https.request({ host: '127.0.0.1', port, path: target, method, headers: { host: 'ehr.example.org', ...headers }, rejectUnauthorized: false, servername: 'ehr.example.org' }, (r) => {
			let text = '';
			r.setEncoding('utf8').on('data', (p) => (text += p)).on('end', () => resolve({ status: r.statusCode, headers: r.headers, text }));
		}).on('error', reject);
		request.end(body);
	});
	for (let i = 0; ; i++) {
		const there = await ask('/fhir/echo').catch(() => ({ status: 0 }));
		if (there.status === 200) break;
		assert.ok(i < 100, `the proxy does not answer: ${proxy.said}`);
		await sleep(100);
	}
	return { gateway, port, ask };
}

async function examine({ gateway, port, ask }) {
	const id = `through-${Date.now()}`;
	const seen = JSON.parse((await ask('/fhir/echo/a%20b?name=M%C3%BCller', { headers: { 'x-request-id': id } })).text);
	assert.equal(seen.url, '/echo/a%20b?name=M%C3%BCller');
	assert.equal(seen.headers['x-fhir-base'], 'https://ehr.example.org/fhir');
	assert.ok(seen.headers['x-request-id'].length > 8);
	for (const hidden of ['/metrics', '/readyz', '/livez', '/', '/fhirx']) assert.equal((await ask(hidden)).status, 404, hidden);
	const body = randomBytes(300000).toString('base64');
	const mirrored = await ask('/fhir/mirror', { method: 'POST', body });
	assert.ok(mirrored.text === body);
	assert.equal((await ask('/fhir/big/3000000', { headers: { 'accept-encoding': 'identity' } })).text.length, 3000002 - 3000000 % 16);
	assert.equal((await ask('/fhir/big/50000', { headers: { 'accept-encoding': 'gzip' } })).headers['content-encoding'], 'gzip');
	const large = await ask('/fhir/mirror', { method: 'POST', body: 'x'.repeat(2000000) });
	assert.equal(large.status, 413);
	assert.equal(JSON.parse(large.text).resourceType, 'OperationOutcome');
	const refused = await ask('/fhir/raise/FH422');
	assert.equal(refused.status, 422);
	assert.equal((await ask('/fhir/raise/53200')).headers['retry-after'], '1');
	/* HTTP/2, many at once: each its own answer */
	const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: 'ehr.example.org' });
	const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => new Promise((resolve, reject) => {
		const stream = session.request({ ':path': `/fhir/echo/${i}`, ':authority': 'ehr.example.org' });
		let text = '';
		stream.setEncoding('utf8').on('data', (p) => (text += p)).on('end', () => resolve(text)).on('error', reject);
		stream.end();
	})));
	session.close();
	answers.forEach((text, i) => assert.equal(JSON.parse(text).url, `/echo/${i}`));
	const m = await gateway.metrics();
	assert.ok(m.fhir_gateway_connections_total < m['fhir_gateway_requests_total{method="GET",status="200"}'], 'connections are kept');
}

const nginx = find('nginx');
test('nginx', { skip: noMock || (!nginx && 'skipped: no nginx') }, async () => {
	const config = readFileSync(path.join(root, 'docs/proxy/nginx.conf'), 'utf8');
	await examine(await behind(nginx, (dir, port, upstream) => {
		const own = config.replaceAll('server 127.0.0.1:8080', `server 127.0.0.1:${upstream}`).replace('listen 443 ssl http2', `listen 127.0.0.1:${port} ssl http2`)
			.replace(/\n\tlisten \[::\]:443.*/, '').replace(/\nserver \{\n\tlisten 80;[\s\S]*/, '\n')
			.replace('/etc/ssl/ehr.example.org.pem', `${dir}/cert.pem`).replace('/etc/ssl/private/ehr.example.org.key', `${dir}/key.pem`);
		assert.match(own, new RegExp(`${upstream}[\\s\\S]*${port}[\\s\\S]*key\\.pem`));
		const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/${n};`).join('\n');
		writeFileSync(`${dir}/nginx.conf`, `daemon off;\npid ${dir}/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${own}\n}\n`);
		return ['-p', dir, '-e', 'stderr', '-c', `${dir}/nginx.conf`];
	}));
});

const haproxy = find('haproxy');
test('HAProxy', { skip: noMock || (!haproxy && 'skipped: no haproxy') }, async () => {
	const config = readFileSync(path.join(root, 'docs/proxy/haproxy.cfg'), 'utf8');
	await examine(await behind(haproxy, (dir, port, upstream) => {
		const own = config.replace('bind :443', `bind 127.0.0.1:${port}`).replace('/etc/haproxy/ehr.example.org.pem', `${dir}/both.pem`)
			.replaceAll('10.0.0.11:8080', `127.0.0.1:${upstream}`).replace(/\n\tserver two .*/, '');
		assert.match(own, new RegExp(`${port}[\\s\\S]*${upstream}`));
		writeFileSync(`${dir}/haproxy.cfg`, own);
		return ['-db', '-f', `${dir}/haproxy.cfg`];
	}));
});
