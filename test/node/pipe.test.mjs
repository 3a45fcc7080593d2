/*
 * pipe.test.mjs: reads of one resource share database connections. Each client must get the answer to its own request, whatever
 * happens to backends, statements and other clients meanwhile.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import net from 'node:net';
import { after, test } from 'node:test';

import { Gateway, mock, noMock, sleep } from './lib.mjs';

const skip = noMock;
const started = [];
const servers = [];

after(async () => {
	for (const g of started) if (g.process.exitCode === null) await g.stop();
	for (const s of servers) s.close();
});

async function start(options) {
	const g = await Gateway.start({ 'access-log': 'off', ...options });
	started.push(g);
	return g.ready();
}

const psql = (sql) => {
	const r = spawnSync('psql', ['-XAtqc', sql, '-d', mock], { encoding: 'utf8' });
	assert.equal(r.status, 0, r.stderr);
	return r.stdout.trim();
};
const things = (prefix, n) => psql(`INSERT INTO mock SELECT '${prefix}-' || i, convert_to('body of ${prefix}-' || i || repeat('.', i * 37 % 9000), 'UTF8') FROM generate_series(1, ${n}) i ON CONFLICT DO NOTHING`);
const isBody = (text, id) => text.startsWith(`body of ${id}`) && /^\.*$/.test(text.slice(`body of ${id}`.length));
const counter = (m, name) => m[`fhir_gateway_pool_${name}_total{database="primary"}`];

/* Repeats an action while a load runs; it may not block, for the clients are in this process, too. */
async function under(load, action, every) {
	let stop = false;
	const acting = (async () => {
		while (!stop) {
			await sleep(every);
			if (!stop) await action();
		}
	})();
	await load;
	stop = true;
	await acting;
}

test('reads share connections, and one that fails fails alone', { skip }, async () => {
	things('shared', 50);
	const g = await start({ pool: 1 });
	const answers = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
		const id = i % 7 === 3 ? 'fail-XX000' : i % 7 === 5 ? 'fail-40001' : `shared-${i % 50 + 1}`;
		const r = await fetch(`${g.url}/Thing/${id}`);
		return [id, r.status, await r.text()];
	}));
	for (const [id, status, text] of answers) {
		assert.equal(status, { 'fail-XX000': 500, 'fail-40001': 409 }[id] ?? 200, text);
		if (status === 200) assert.ok(isBody(text, id), `${id}: ${text.slice(0, 60)}`);
	}
	const m = await g.metrics();
	assert.ok(counter(m, 'pipelined') > 50, `${counter(m, 'pipelined')}`);
	assert.equal(m['fhir_gateway_pool_connections{database="primary",state="busy"}'], 0);
	assert.equal(counter(m, 'connects'), 1);
});

test('searches, histories and writes share with nobody; reads do not wait behind them, nor they behind reads', { skip }, async () => {
	things('apart', 20);
	const g = await start({ pool: 4 });
	let over = 0;
	const slow = Array.from({ length: 12 }, () => fetch(`${g.url}/sleep/0.5`).then((r) => { over++; return r.status; }));
	await sleep(100);
	for (let i = 1; i <= 20; i++) assert.equal((await fetch(`${g.url}/Thing/apart-${i}`)).status, 200);
	assert.ok(over < 12, 'reads do not wait until the slow ones are done');
	assert.deepEqual([...new Set(await Promise.all(slow))], [200]);
	/* a stream of reads on the only connection lets a write through */
	const single = await start({ pool: 1 });
	let stop = false;
	const stream = Array.from({ length: 8 }, async () => { while (!stop) await (await fetch(`${single.url}/Thing/apart-1`)).text(); });
	await sleep(200);
	const before = Date.now();
	const write = await fetch(`${single.url}/Thing/apart-${Date.now()}-w`, { method: 'PUT', body: 'x' });
	stop = true;
	await Promise.all(stream);
	assert.equal(write.status, 201);
	assert.ok(Date.now() - before < 10000);
});

test('a backend that dies with reads in its pipe: each is repeated once and gets its own answer', { skip }, async () => {
	things('dying', 8);
	const g = await start({ pool: 1 });
	/* the first one sleeps; the others follow at once, before it counts as stuck */
	const reads = Array.from({ length: 8 }, async (_, i) => {
		const r = await fetch(`${g.url}/Thing/dying-${i + 1}?0.6`);
		return [`dying-${i + 1}`, r.status, await r.text()];
	});
	await sleep(300);
	const pipelined = counter(await g.metrics(), 'pipelined');
	psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fhir-gateway' AND query LIKE '%fhir_http%'");
	for (const [id, status, text] of await Promise.all(reads)) {
		assert.equal(status, 200, text);
		assert.ok(isBody(text, id), `${id}: ${text.slice(0, 60)}`);
	}
	const m = await g.metrics();
	assert.ok(counter(m, 'retries') >= 1 + pipelined, `${counter(m, 'retries')} repeated, ${pipelined} were behind another`);
});

test('a timeout or a client that leaves ends one read of a pipe, not those behind it', { skip }, async () => {
	things('late', 30);
	const g = await start({ pool: 1, 'request-timeout': '2s' });
	for (const how of ['timeout', 'leaves']) {
		const slow = fetch(`${g.url}/Thing/late-1?30`, { signal: how === 'leaves' ? AbortSignal.timeout(300) : undefined }).catch(() => null);
		const others = Array.from({ length: 20 }, async (_, i) => {
			const r = await fetch(`${g.url}/Thing/late-${i + 2}`);
			return [`late-${i + 2}`, r.status, await r.text()];
		});
		for (const [id, status, text] of await Promise.all(others))
			/* who waited as long as the slow one has timed out with it */
			assert.ok(status === 200 ? isBody(text, id) : how === 'timeout' && status === 504, `${id}: ${status} ${text.slice(0, 60)}`);
		if (how === 'timeout') assert.equal((await slow).status, 504);
		assert.equal((await fetch(`${g.url}/Thing/late-2`)).status, 200);
	}
});

test('many clients under kills, cancels, timeouts and aborts: never an answer to another request', { skip }, async () => {
	things('mix', 400);
	const g = await start({ pool: 6, 'request-timeout': '400ms' });
	const seen = { right: 0, gone: 0 };
	const wrong = [];
	const begun = Date.now();
	let m = await g.metrics();
	/* six seconds, and longer where others keep the machine busy */
	const happened = () => seen.right > 500 && counter(m, 'lost') >= 5 && counter(m, 'retries') >= 1 && counter(m, 'pipelined') > 100;
	const enough = () => Date.now() - begun > (happened() ? 6000 : 60000);
	const client = async (n) => {
		for (let i = 0; !enough(); i++) {
			const id = `mix-${(n * 7919 + i * 104729) % 400 + 1}`;
			const slow = (n + i) % 97 === 0 ? '?1' : (n + i) % 31 === 0 ? '?0.05' : '';
			const abort = (n + i) % 23 === 0;
			try {
				const r = await fetch(`${g.url}/Thing/${id}${slow}`, { signal: abort ? AbortSignal.timeout(1 + i % 9) : undefined, headers: { 'X-Request-Id': `${n}-${i}` } });
				const text = await r.text();
				if (r.headers.get('x-request-id') !== `${n}-${i}`) wrong.push(`${n}-${i} got ${r.headers.get('x-request-id')}`);
				else if (r.status === 200 && !isBody(text, id)) wrong.push(`${id} got ${text.slice(0, 40)}`);
				else if (![200, 503, 504].includes(r.status)) wrong.push(`${id} got status ${r.status}`);
				if (r.status === 200) seen.right++;
				else seen[r.status] = (seen[r.status] ?? 0) + 1;
			} catch (error) {
				if (!abort) wrong.push(`${id}: ${error}`);
				seen.gone++;
			}
		}
	};
	let turn = 0;
	await under(Promise.all(Array.from({ length: 40 }, (_, n) => client(n))), async () => {
		const what = turn++ % 3 === 0 ? 'pg_cancel_backend' : 'pg_terminate_backend';
		await new Promise((resolve) => spawn('psql', ['-XAtqc', `SELECT ${what}(pid) FROM pg_stat_activity WHERE application_name = 'fhir-gateway' ORDER BY state = 'active' DESC, random() LIMIT 2`, '-d', mock],
			{ stdio: 'ignore' }).on('exit', resolve));
		m = await g.metrics();
	}, 100);
	assert.deepEqual(wrong.slice(0, 10), []);
	m = await g.metrics();
	assert.ok(happened(), JSON.stringify([seen, m]));
	assert.doesNotMatch(g.errors, /belongs to another/);
	assert.equal((await fetch(`${g.url}/Thing/mix-1`)).status, 200);
});

test('SIGTERM under load: what is in the pipes is answered, each its own, and the gateway ends with 0', { skip }, async () => {
	things('ending', 100);
	const g = await start({ pool: 4 });
	const seen = { right: 0, refused: 0 };
	const wrong = [];
	let ended = false;
	const clients = Array.from({ length: 24 }, async (_, n) => {
		for (let i = 0; !ended; i++) {
			const id = `ending-${(n * 31 + i * 17) % 100 + 1}`;
			try {
				const r = await fetch(`${g.url}/Thing/${id}${i % 20 === 0 ? '?0.02' : ''}`);
				const text = await r.text();
				if (r.status === 200 && isBody(text, id)) seen.right++;
				else wrong.push(`${id}: ${r.status} ${text.slice(0, 40)}`);
			} catch {
				seen.refused++; /* sent on a connection that was just closed, or refused */
				await sleep(10);
			}
		}
	});
	await sleep(1000);
	const code = await g.stop();
	ended = true;
	await Promise.all(clients);
	assert.deepEqual(code, { code: 0, signal: null });
	assert.deepEqual(wrong.slice(0, 5), []);
	assert.ok(seen.right > 100 && seen.refused > 0, JSON.stringify(seen));
});

/* A proxy before the database that can change what the server answers, message by message */
async function tampering(change) {
	const host = /host=(\S+)/.exec(mock)[1];
	const port = /port=(\d+)/.exec(mock)[1];
	const server = net.createServer((client) => {
		const upstream = net.connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port: Number(port) });
		let rest = Buffer.alloc(0);
		client.pipe(upstream);
		client.on('error', () => upstream.destroy());
		upstream.on('error', () => client.destroy());
		upstream.on('end', () => client.end());
		upstream.on('data', (part) => {
			rest = Buffer.concat([rest, part]);
			while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
				const length = 1 + rest.readUInt32BE(1);
				client.write(change(Buffer.from(rest.subarray(0, length))));
				rest = rest.subarray(length);
			}
		});
	});
	servers.push(server);
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return mock.replace(/host=\S+/, 'host=127.0.0.1').replace(/port=\d+/, `port=${server.address().port}`) + ' sslmode=disable gssencmode=disable';
}

test('an answer with the number of another request reaches no client', { skip }, async () => {
	things('swapped', 2);
	let armed = 0;
	const g = await start({ pool: 2, database: await tampering((message) => {
		/* a data row's last column is the number of the request */
		if (armed > 0 && message[0] === 0x44 && message.readUInt16BE(5) === 4) {
			armed--;
			message[message.length - 1] ^= 1;
		}
		return message;
	}) });
	const read = async () => {
		const r = await fetch(`${g.url}/Thing/swapped-1`);
		return [r.status, await r.text()];
	};
	assert.equal((await read())[0], 200);
	armed = 1;
	const [status, text] = await read();
	assert.ok(status === 200 && isBody(text, 'swapped-1'), 'repeated on another connection');
	assert.match(g.errors, /belongs to another request/);
	armed = 2;
	assert.equal((await read())[0], 503);
	armed = 1;
	const write = await fetch(`${g.url}/Thing/swapped-write-${Date.now()}`, { method: 'PUT', body: 'secret' });
	assert.equal(write.status, 503);
	assert.match((await write.json()).issue[0].diagnostics, /not known/);
	assert.equal(armed, 0);
	assert.equal((await read())[0], 200);
});
