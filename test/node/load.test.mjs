/*
 * load.test.mjs: script/load: what it reads, what it sends, what it reports. Against a server that only records.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { mock, noMock, root } from './lib.mjs';

const dir = mkdtempSync(path.join(tmpdir(), 'load-'));
let server, url, seen, answer;

before(async () => {
	server = http.createServer((request, response) => {
		const parts = [];
		request.on('data', (p) => parts.push(p)).on('end', () => {
			const body = Buffer.concat(parts);
			if (request.method === 'GET') return response.end('{}');
			const got = { method: request.method, url: request.url, body: body.toString('utf8'), headers: request.headers };
			seen.push(got);
			const [status, text, headers] = answer(got, seen.length) || [200, '{}'];
			response.writeHead(status, headers).end(text);
		});
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${server.address().port}/base`;
});
after(() => server.close());
beforeEach(() => {
	seen = [];
	answer = () => null;
});

function load(...args) {
	return new Promise((resolve) => {
		const child = spawn(process.execPath, [path.join(root, 'script/load'), ...args]);
		let out = '', err = '';
		child.stdout.on('data', (p) => (out += p));
		child.stderr.on('data', (p) => (err += p));
		child.on('exit', (status) => resolve({ status, out, err }));
		child.stdin.end(load.input || '');
	});
}
const write = (name, data) => {
	const file = path.join(dir, name);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, data);
	return file;
};
const outcome = (text) => JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'invalid', diagnostics: text }] });

/* white space, escapes, brackets in strings and digits must arrive as they are */
const odd = '{ "resourceType" : "Patient",\r\n\t"id":"a-1", "x": 1.50, "y": 100000000000000000000.10e-2, "s": "}]\\"\\\\", "u": "\\u00fc ü" }';
const transaction = (n, extra = '') => `{"resourceType":"Bundle",${extra}"type":"transaction","entry":[${Array(n).fill('{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}')}]}`;

test('a resource goes out unchanged, by PUT with an id, by POST without', async () => {
	const r = await load('--url', `${url}/`, write('a.json', odd), write('b.json', '{"resourceType":"Basic"}'), '--concurrency', '1');
	assert.equal(r.status, 0, r.out + r.err);
	assert.deepEqual(seen.map((s) => [s.method, s.url]), [['PUT', '/base/Patient/a-1'], ['POST', '/base/Basic']]);
	assert.equal(seen[0].body, odd);
	assert.equal(seen[0].headers['content-type'], 'application/fhir+json');
	assert.match(r.out, /^2 resources loaded, 0 failed/);
});

test('transactions whole, other Bundles by their resources', async () => {
	const bundle = transaction(3);
	const collection = `{"type":"collection","entry":[{"fullUrl":"urn:x","resource":${odd}},{"search":{}},{"resource":{"resourceType":"Basic","v":1.0}}],"resourceType":"Bundle"}`;
	const r = await load('--url', url, write('t.json', bundle), write('c.json', collection), '--concurrency=1');
	assert.equal(r.status, 0, r.out + r.err);
	assert.deepEqual(seen.map((s) => [s.method, s.url]), [['POST', '/base'], ['PUT', '/base/Patient/a-1'], ['POST', '/base/Basic']]);
	assert.equal(seen[0].body, bundle);
	assert.equal(seen[1].body, odd);
	assert.match(r.out, /^5 resources loaded/);
});

test('NDJSON, gzip, tar archives with long names, directories', async () => {
	const lines = Array.from({ length: 1000 }, (_, i) => `{"resourceType":"Basic","id":"n${i}","x":${i}.0}`).join('\n');
	write('d/one.ndjson', `${lines}\n\n`);
	write('d/e/two.ndjson.gz', gzipSync(lines));
	write('d/e/three.json.gz', gzipSync(odd));
	write('d/readme.txt', 'no FHIR');
	const long = 'x'.repeat(90);
	write(`t/${long}/${long}/${long}.json`, transaction(2));
	write('t/short.json', odd);
	write('t/skipped.csv', 'a;b');
	for (const [format, name] of [['gnu', 'gnu.tar.gz'], ['pax', 'pax.tgz'], ['ustar', 'plain.tar']]) {
		const what = format === 'ustar' ? ['short.json', 'skipped.csv'] : ['.'];
		assert.equal(spawnSync('tar', [`--format=${format}`, name === 'plain.tar' ? '-cf' : '-czf', path.join(dir, 'd', name), '-C', path.join(dir, 't'), ...what]).status, 0);
	}
	const r = await load('--url', url, path.join(dir, 'd'), '--concurrency', '4');
	assert.equal(r.status, 0, r.out + r.err);
	assert.equal(seen.length, 2000 + 1 + 2 + 2 + 1);
	assert.match(r.out, new RegExp(`^${2000 + 1 + 3 + 3 + 1} resources loaded, 0 failed`));
	assert.equal(seen.filter((s) => s.url === '/base/Basic/n999' && s.body.endsWith('999.0}')).length, 2);
	assert.equal(seen.filter((s) => s.body === odd).length, 4);
});

test('standard input', async () => {
	load.input = odd;
	const r = await load('--url', url, '-');
	load.input = null;
	assert.equal(r.status, 0, r.out + r.err);
	assert.equal(seen[0].body, odd);
});

test('failures are counted by reason, and the load goes on', async () => {
	answer = (got) => (got.body.includes('bad') ? [422, outcome('element "bad7" is unknown')] : null);
	const r = await load('--url', url, '--concurrency', '1', write('f/1.json', '{"resourceType":"Basic","bad":1}'), write('f/2.json', odd), write('f/3.json', '{"resourceType":"Basic"'),
		write('f/4.json', '[1]'), write('f/5.json', '{"a":1}'), write('f/6.tar.gz', 'junk'), write('f/7.json', transaction(2, '"bad":2,')), write('f/8.json', odd));
	assert.equal(r.status, 1);
	assert.match(r.out, /^2 resources loaded, 7 failed/);
	assert.match(r.out, /3 × 422 invalid: element "…" is unknown/);
	assert.match(r.out, /3\.json: not valid JSON at byte \d+/);
	assert.match(r.out, /5\.json: no resourceType/);
	assert.match(r.out, /6\.tar\.gz: /);
});

test('a byte order mark, links that lead nowhere or round, a batch that read', async () => {
	answer = (got) => (got.url === '/base' ? [200, '{"resourceType":"Bundle","entry":[{"response":{"status":"304 Not Modified"}}]}'] : null);
	write('g/1.json', `\ufeff${odd}`);
	write('g/2.ndjson', `\ufeff${odd.replace(/\s+/g, ' ')}\r\n${odd.replace(/\s+/g, ' ')}`);
	write('g/3.json', transaction(1).replace('transaction', 'batch'));
	symlinkSync('.', path.join(dir, 'g/round'));
	symlinkSync('gone.json', path.join(dir, 'g/nowhere.json'));
	const r = await load('--url', url, path.join(dir, 'g'));
	assert.equal(r.status, 1, r.out + r.err);
	assert.match(r.out, /^4 resources loaded, 1 failed/);
	assert.match(r.out, /nowhere\.json: ENOENT/);
	assert.equal(seen.filter((s) => s.body.charCodeAt(0) === 0xfeff).length, 0);
});

test('a Bundle that failed is tried again after others succeeded', async () => {
	answer = (got, n) => (got.body.includes('late') && n < 3 ? [412, outcome('nobody there')] : null);
	const r = await load('--url', url, '--concurrency', '1', write('l/1.json', transaction(2, '"id":"late",')), write('l/2.json', odd));
	assert.equal(r.status, 0, r.out + r.err);
	assert.equal(seen.length, 3);
	assert.match(r.out, /^3 resources loaded, 0 failed/);
});

test('503 with Retry-After is waited for, without it is a failure', async () => {
	answer = (got, n) => (n === 1 ? [503, outcome('busy'), { 'Retry-After': '1' }] : null);
	assert.equal((await load('--url', url, path.join(dir, 'a.json'))).status, 0);
	assert.equal(seen.length, 2);
	answer = () => [503, outcome('not known')];
	assert.equal((await load('--url', url, path.join(dir, 'b.json'))).status, 1);
});

test('of a batch the entries count', async () => {
	answer = () => [200, JSON.stringify({ resourceType: 'Bundle', entry: [{ response: { status: '201 Created' } }, { response: { status: '404', outcome: JSON.parse(outcome('gone')) } }] })];
	const r = await load('--url', url, write('batch.json', transaction(2).replace('transaction', 'batch')));
	assert.equal(r.status, 1);
	assert.match(r.out, /^1 resources loaded, 1 failed/);
	assert.match(r.out, /batch\.json#1: 404 invalid: gone/);
});

test('nothing can be done: status 2', async () => {
	for (const args of [[], ['--nonsense', 'x'], ['/nowhere'], ['--concurrency', '0', 'x'], ['--url', 'ftp://x', path.join(dir, 'a.json')], ['--url', 'x', path.join(dir, 'a.json')],
		['--url', 'http://127.0.0.1:1/x', path.join(dir, 'a.json')], ['--db', 'host=/nowhere', path.join(dir, 'a.json')]])
		await load(...args).then((r) => assert.ok(r.status === 2 && !/\n +at /.test(r.err), args.join(' ') + r.err));
	assert.equal((await load('--help')).status, 0);
});

test('--db: quoting, errors, batches', { skip: noMock }, async () => {
	const sql = (text) => {
		const r = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', mock, '-c', text], { encoding: 'utf8' });
		assert.equal(r.status, 0, r.stderr);
		return r.stdout.trim();
	};
	sql(`CREATE TABLE IF NOT EXISTS got (what text, doc jsonb); TRUNCATE got;
		CREATE OR REPLACE FUNCTION fhir_json(t text) RETURNS jsonb LANGUAGE sql AS 'SELECT t::jsonb';
		CREATE OR REPLACE FUNCTION fhir_create(doc jsonb, x text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$ INSERT INTO got VALUES ('create', doc) RETURNING doc $$;
		CREATE OR REPLACE FUNCTION fhir_update(doc jsonb, x text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$ INSERT INTO got VALUES ('update', doc) RETURNING doc $$;
		CREATE OR REPLACE FUNCTION fhir_transaction(doc jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			IF doc->>'id' = 'bad' THEN RAISE EXCEPTION 'entry % is bad', 7 USING ERRCODE = 'FH422', DETAIL = E'x.a: one\\nx.b: two', HINT = 'do'; END IF;
			INSERT INTO got VALUES ('transaction', doc); RETURN '{"entry":[{"response":{"status":"404"}}]}'; END $$;`);
	const nasty = '{"resourceType":"Patient","v":1.50,"s":"O\'Neil :x :\'y\' \\\\ \\u0041 $1 $$ ; \\n %","t":"\\\\echo \'\\\\036\'"}';
	const r = await load('--db', mock, write('db/1.json', nasty), write('db/2.json', odd), write('db/3.json', transaction(2, '"id":"bad",')), write('db/4.json', transaction(3)),
		write('db/5.json', transaction(1).replace('transaction', 'batch')), write('db/6.json', Buffer.from('{"resourceType":"Basic","a":"\0"}')), write('db/7.json', '{"resourceType":"Basic","a":01}'));
	assert.equal(r.status, 1);
	assert.match(r.out, /^5 resources loaded, 5 failed/);
	assert.match(r.out, /2 × FH422 entry 7 is bad: x\.a: one x\.b: two\n/);
	assert.equal(sql("SELECT doc = $x$" + nasty + "$x$ AND doc->>'v' = '1.50' FROM got WHERE what = 'create'"), 't');
	assert.equal(sql("SELECT string_agg(what, ' ' ORDER BY what) FROM got"), 'create transaction transaction update');
});
