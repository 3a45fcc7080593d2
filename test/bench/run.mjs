// run.mjs: how fast the store is beside plain PostgreSQL on the same machine, in the same minutes, with the same documents.
//
//   make bench            full: about 8 minutes      (BENCH_RUNS, BENCH_SECONDS, BENCH_CONNECTIONS)
//   make bench-quick      about 1 minute, no load of synthea-100
//
// An own cluster under build/bench, made anew. Statements are interleaved, each figure is the median of several runs; the ratio
// is the median of the runs' ratios. Prints a Markdown table with PASS or FAIL against each floor; exit status 1 on a FAIL.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, openSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import net from 'node:net';
import os from 'node:os';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const data = process.env.FHIR_SHARED_DATA ?? join(root, '../shared/data');
const quick = process.argv.includes('--quick');
const runs = Number(process.env.BENCH_RUNS ?? (quick ? 3 : 5));
const secs = Number(process.env.BENCH_SECONDS ?? (quick ? 1 : 3));
const conns = Number(process.env.BENCH_CONNECTIONS ?? 2);
const only = process.env.BENCH_ONLY?.split(','); // sql, wal, gateway, load
const want = (part) => !only || only.includes(part);
const pgConfig = process.env.PG_CONFIG ?? 'pg_config';
const bin = execFileSync(pgConfig, ['--bindir']).toString().trim();
const dir = join(root, 'build/bench');
const client = join(dir, 'client');

const tarball = join(data, 'synthea/synthea-100.tar.gz');
const small = join(data, 'synthea/synthea-30.tar.gz');
if (!existsSync(small)) {
	console.log(`skipped: no Synthea data in ${data} (FHIR_SHARED_DATA)`);
	process.exit(0);
}

// PostgreSQL refuses to run as root.
const user = process.getuid() === 0 ? (process.env.BENCH_USER ?? 'postgres') : null;
const asUser = (cmd, args) => (user ? ['runuser', ['-u', user, '--', cmd, ...args]] : [cmd, args]);
const run = (cmd, args, opt = {}) => execFileSync(cmd, args, { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'], ...opt }).toString();
const runAs = (cmd, ...args) => run(...asUser(cmd, args));
const median = (a) => [...a].sort((x, y) => x - y)[Math.floor(a.length / 2)];
const freePort = () => new Promise((ok) => { const s = net.createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => ok(p)); }); });
const log = (...a) => console.error(...a);

const pgport = await freePort();
const conninfo = (db = 'bench') => `host=127.0.0.1 port=${pgport} user=bench dbname=${db}`;
const psql = (sql, db) => run(join(bin, 'psql'), ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', conninfo(db), '-c', sql]).trim();
const psqlFile = (file, db) => run(join(bin, 'psql'), ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', conninfo(db), '-f', file]).trim();

// ---- the cluster
rmSync(join(dir, 'data'), { recursive: true, force: true });
mkdirSync(dir, { recursive: true });
// where the server's user can go
const pgdata = user ? `/var/tmp/fhir-bench-${process.pid}` : join(dir, 'data');
if (user) { mkdirSync(pgdata); run('chown', [user, pgdata]); }
runAs(join(bin, 'initdb'), '-D', pgdata, '-U', 'bench', '-A', 'trust', '--no-locale', '-E', 'UTF8');
const conf = `listen_addresses='127.0.0.1'\nport=${pgport}\nunix_socket_directories=''\nshared_buffers=1GB\nmax_wal_size=8GB\n` +
	`checkpoint_timeout=30min\nautovacuum=off\nmax_connections=200\nsynchronous_commit=off\nfull_page_writes=on\n`;
runAs('sh', '-c', `printf '%s' "$1" >> "$2/postgresql.conf"`, '-', conf, pgdata);
runAs(join(bin, 'pg_ctl'), '-D', pgdata, '-l', join(pgdata, 'log'), '-w', 'start');
let gateway = null;
const stop = () => {
	if (gateway) gateway.kill('SIGTERM');
	gateway = null;
	try { runAs(join(bin, 'pg_ctl'), '-D', pgdata, '-m', 'immediate', '-w', 'stop'); } catch { /* already gone */ }
	if (user) rmSync(pgdata, { recursive: true, force: true });
};
process.on('exit', stop);
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(130));

run('gcc', ['-O2', '-std=gnu17', '-I' + run(pgConfig, ['--includedir']).trim(), '-I/usr/include/postgresql', '-o', client, join(root, 'test/bench/client.c'), '-lpq', '-lpthread']);
psql('CREATE DATABASE bench', 'postgres');
psql('SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE; CREATE TABLE plain(id text PRIMARY KEY, doc jsonb NOT NULL)');

// ---- documents: Synthea's Observations, references made relative
function* resources(tar) {
	const tmp = join(dir, 'synthea');
	rmSync(tmp, { recursive: true, force: true });
	mkdirSync(tmp, { recursive: true });
	run('tar', ['-xzf', tar, '-C', tmp]);
	for (const f of readdirSync(tmp, { recursive: true }).sort()) {
		if (!f.endsWith('.json')) continue;
		const b = JSON.parse(readFileSync(join(tmp, f)));
		if (b.resourceType !== 'Bundle') continue;
		const names = new Map(b.entry.map((e) => [e.fullUrl, `${e.resource.resourceType}/${e.resource.id}`]));
		for (const e of b.entry) yield JSON.parse(JSON.stringify(e.resource).replace(/"(urn:uuid:[^"]+)"/g, (m, u) => (names.has(u) ? `"${names.get(u)}"` : m)));
	}
}
const observations = [...resources(small)].filter((r) => r.resourceType === 'Observation');
const tsv = (x) => x.replaceAll('\\', '\\\\');
// nothing that is searched changes with the id of an element; with a text the words of the resource do
const note = (o, id) => ({ ...o, note: [{ id, text: 'checked' }] });
const noteText = (o, text) => ({ ...o, note: [{ text }] });
const withoutId = ({ id, ...o }) => o;
const files = { create: join(dir, 'create.tsv'), update: join(dir, 'update.tsv'), words: join(dir, 'words.tsv'), ids: join(dir, 'ids.tsv'), copy: join(dir, 'copy.sql'), paths: join(dir, 'paths'), numbered: join(dir, 'numbered'), pgbench: join(dir, 'pgbench.sql') };
writeFileSync(files.create, observations.map((o) => JSON.stringify(withoutId(o)) + '\t@u').join('\n'));
const ofText = (o, i) => i % 4 === 0; // resources of their own, as the words of the others shall not change
writeFileSync(files.update, observations.filter((o, i) => !ofText(o, i)).map((o) => JSON.stringify(note(o, 'r@r')) + '\t' + o.id).join('\n'));
writeFileSync(files.words, observations.filter(ofText).map((o) => JSON.stringify(noteText(o, 'r@r')) + '\t' + o.id).join('\n'));
writeFileSync(files.ids, observations.map((o) => o.id).join('\n'));
writeFileSync(files.paths, observations.map((o) => `/fhir/Observation/${o.id}`).join('\n'));
writeFileSync(files.copy, `CREATE TABLE source(doc jsonb);\nCOPY source FROM STDIN;\n${observations.map((o) => tsv(JSON.stringify(note(o, 'r0')))).join('\n')}\n\\.\n` +
	`INSERT INTO plain SELECT doc->>'id', doc FROM source;\nSELECT count(fhir_update(doc)) FROM source;\nVACUUM ANALYZE;\n`);
psqlFile(files.copy);
// the store's own dictionary, which a worker trains once the documents are there: both are measured as they are in use
const trained = async (store) => {
	for (let i = 0; i < 200 && psql(`SELECT count(*) FROM ${store}.dictionary`) === '0'; i++) await new Promise((r) => setTimeout(r, 100));
	if (psql(`SELECT count(*) FROM ${store}.dictionary`) === '0') log(`store ${store} got no dictionary in 20 s`);
};
await trained('fhir');
const bytes = Math.round(observations.reduce((n, o) => n + JSON.stringify(o).length, 0) / observations.length);
log(`${observations.length} Observations of ${bytes} bytes; ${os.cpus().length} x ${os.cpus()[0].model}; ${psql('SHOW server_version')}`);

// ---- statements
const statements = {
	'plain INSERT': [files.create, 'INSERT INTO plain VALUES ($2, $1::jsonb)'],
	fhir_create: [files.create, 'SELECT fhir_create($1::jsonb)'],
	'plain SELECT': [files.ids, 'SELECT doc FROM plain WHERE id = $1'],
	fhir_read: [files.ids, "SELECT fhir_read('Observation', $1)"],
	'plain UPDATE': [files.update, 'UPDATE plain SET doc = $1::jsonb WHERE id = $2'],
	fhir_update: [files.update, 'SELECT fhir_update($1::jsonb)'],
	'fhir_update of a text': [files.words, 'SELECT fhir_update($1::jsonb)'],
};
const pairs = [['plain INSERT', 'fhir_create', 0.35, 0.5], ['plain SELECT', 'fhir_read', 0.8, null], ['plain UPDATE', 'fhir_update', 0.5, null], ['plain UPDATE', 'fhir_update of a text', null, null]];
const bench = (conn, n, s, [file, sql]) => {
	const [rate, p50, p99, calls, cpu] = run(client, ['sql', conn, String(n), String(s), file, sql]).trim().split(' ').map(Number);
	return { rate, p50, p99, calls, cpu };
};
const lsn = () => BigInt(psql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"));

const rows = [];
let failed = 0;
const report = (what, plain, ours, ratio, floor, aim, better = 'more') => {
	const pass = floor == null ? '' : (better === 'more' ? ratio >= floor : ratio <= floor) ? 'PASS' : 'FAIL';
	if (pass === 'FAIL') failed++;
	rows.push([what, plain, ours, ratio == null ? '' : ratio.toFixed(2), floor == null ? '' : `${better === 'more' ? '≥' : '≤'} ${floor}${aim ? ` (aim ${aim})` : ''}`, pass]);
	log(rows.at(-1).join('  '));
};
const k = (x) => (x >= 10000 ? `${(x / 1000).toFixed(1)} k/s` : `${Math.round(x)}/s`);

if (want('sql')) {
	for (const sync of ['off', 'on']) {
		const conn = `${conninfo()} options='-c synchronous_commit=${sync}'`;
		const got = Object.fromEntries(Object.keys(statements).map((s) => [s, []]));
		for (const s of Object.keys(statements)) bench(conn, conns, 0.3, statements[s]); // warm
		for (let i = 0; i < runs; i++)
			for (const s of Object.keys(statements)) got[s].push(bench(conn, conns, secs, statements[s]));
		for (const [a, b, floor, aim] of pairs) {
			if (sync === 'on' && b === 'fhir_read') continue;
			const ratio = median(got[a].map((x, i) => got[b][i].rate / x.rate));
			report(`${b} / ${a}, synchronous_commit ${sync}`, k(median(got[a].map((x) => x.rate))), k(median(got[b].map((x) => x.rate))), ratio, floor, aim);
			const us = (w) => median(got[w].map((x) => x.cpu));
			if (sync === 'off' && us(a) > 0 && us(b) > 0)
				report(`the same, by processor time a call of client and server`, `${us(a).toFixed(1)} µs`, `${us(b).toFixed(1)} µs`, median(got[a].map((x, i) => x.cpu / got[b][i].cpu)), null, null);
		}
		psql('VACUUM');
	}
}

if (want('wal')) {
	// a store and a table of their own, as they come from loading; what is written again and again is far from its checkpoint
	psql("CREATE TABLE plain_wal(id text PRIMARY KEY, doc jsonb NOT NULL); INSERT INTO plain_wal SELECT doc->>'id', doc FROM source");
	psql("SELECT fhir_store_create('wal'); SET fhir.store = 'wal'; SELECT count(fhir_update(doc)) FROM source");
	await trained('wal');
	psql('VACUUM ANALYZE');
	const wal = { INSERT: [files.create, 'INSERT INTO plain_wal VALUES ($2, $1::jsonb)'], fhir_create: statements.fhir_create,
		UPDATE: [files.update, 'UPDATE plain_wal SET doc = $1::jsonb WHERE id = $2'], fhir_update: statements.fhir_update };
	const written = (name, seconds) => {
		psql('CHECKPOINT');
		const before = lsn();
		const { calls } = bench(`${conninfo()} options='-c fhir.store=wal'`, conns, seconds, wal[name]);
		return Number(lsn() - before) / calls;
	};
	const compare = (what, plain, ours, seconds, floor, aim) => {
		const a = written(plain, seconds), b = written(ours, seconds);
		report(what, `${Math.round(a)} B`, `${Math.round(b)} B`, b / a, floor, aim, 'less');
	};
	for (const fpw of ['off', 'on']) {
		psql(`ALTER SYSTEM SET full_page_writes = ${fpw}`);
		psql('SELECT pg_reload_conf()');
		compare(`WAL an update, each row once, full_page_writes ${fpw}`, 'UPDATE', 'fhir_update', 0, 1.4);
	}
	for (const fpw of ['off', 'on']) {
		psql(`ALTER SYSTEM SET full_page_writes = ${fpw}`);
		psql('SELECT pg_reload_conf()');
		compare(`WAL an update, the same rows again and again, full_page_writes ${fpw}`, 'UPDATE', 'fhir_update', secs, 1.4);
		compare(`WAL a create, full_page_writes ${fpw}`, 'INSERT', 'fhir_create', fpw === 'on' ? 5 * secs : secs, 2.8, 2.2);
	}
	const share = "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'wal' AND relname = 'resource'";
	psql('SELECT pg_sleep(1.2)'); // statistics arrive
	const [all, hot] = psql(share).split(' ').map(Number);
	report('HOT share of updates with unchanged keys', '', '', hot / all, 0.9, null);
}

const startGateway = async (db) => {
	const port = await freePort();
	const out = openSync(join(dir, 'gateway.log'), 'a');
	gateway = spawn(join(root, 'fhir-gateway'), ['--listen', `127.0.0.1:${port}`, '--base', '/fhir'],
		{ env: { ...process.env, FHIR_GATEWAY_DATABASE: conninfo(db) }, stdio: ['ignore', out, out] });
	for (let i = 0; i < 100; i++) {
		try { if ((await fetch(`http://127.0.0.1:${port}/readyz`)).ok) return port; } catch { /* not yet */ }
		await new Promise((r) => setTimeout(r, 100));
	}
	throw new Error('the gateway did not become ready: build/bench/gateway.log');
};
const stopGateway = () => new Promise((ok) => { gateway.on('exit', ok); gateway.kill('SIGTERM'); gateway = null; });
const hasGateway = existsSync(join(root, 'fhir-gateway'));
if (!hasGateway) log('skipped: no fhir-gateway built');

// pgbench knows numbers, no lists: documents with numbers in their ids
const numbered = 10000;
const pgbenchScript = `\\set n random(1, ${numbered})\nSELECT status, headers, body, 0::int8 FROM fhir_http('GET', '/Observation/b' || :n, ` +
	`'{"accept": "application/fhir+json", "x-fhir-base": "http://localhost/fhir", "x-request-id": "8f1c2ab94e07d35b"}', NULL);\n`;
const pgbench = (n) => {
	const out = run(join(bin, 'pgbench'), ['-n', '-M', 'prepared', '-c', String(n), '-j', '2', '-T', String(Math.max(1, Math.round(secs))), '-f', files.pgbench, conninfo()]);
	if (!/number of failed transactions: 0 /.test(out)) throw new Error(out);
	return { rate: Number(/tps = ([\d.]+)/.exec(out)[1]) };
};

if (hasGateway && want('gateway')) {
	writeFileSync(files.pgbench, pgbenchScript);
	writeFileSync(files.numbered, Array.from({ length: numbered }, (_, i) => `/fhir/Observation/b${i + 1}`).join('\n'));
	psql(`SELECT count(fhir_update(jsonb_set(doc, '{id}', to_jsonb('b' || n)))) FROM (SELECT doc, row_number() OVER () n FROM source, generate_series(1, 1 + ${numbered} / ${observations.length})) s WHERE n <= ${numbered}`);
	psql('VACUUM ANALYZE');
	const port = await startGateway('bench');
	const get = (n, paths) => {
		const [rate, p50, p99] = run(client, ['http', String(port), String(n), String(secs), paths]).trim().split(' ').map(Number);
		return { rate, p50, p99 };
	};
	for (const n of [conns, 16]) {
		const got = { http: [], sql: [], fhir: [], pgbench: [], numbered: [] };
		for (let i = 0; i < runs; i++) {
			got.sql.push(bench(conninfo(), n, secs, statements['plain SELECT']));
			got.http.push(get(n, files.paths));
			got.fhir.push(bench(conninfo(), n, secs, statements.fhir_read));
			got.pgbench.push(pgbench(n));
			got.numbered.push(get(n, files.numbered));
		}
		const mid = (a) => median(a.map((x) => x.rate));
		const row = (what, a, b, floor) => report(`GET through the gateway / ${what}, ${n} connections`, k(mid(a)), k(mid(b)), median(b.map((x, i) => x.rate / a[i].rate)), floor, null);
		row('plain SELECT', got.sql, got.http, null);
		row('fhir_read', got.fhir, got.http, null);
		row('pgbench -M prepared with the gateway\'s statement, random ids', got.pgbench, got.numbered, n === 16 ? 0.5 : null);
	}
	await stopGateway();
}

if (hasGateway && want('load') && !quick && existsSync(tarball)) {
	psql('CREATE DATABASE loaded', 'postgres');
	psql('SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE', 'loaded');
	const size = () => Number(psql("SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'fhir' AND relkind = 'r'", 'loaded'));
	const port = await startGateway('loaded');
	const before = lsn();
	const t = performance.now();
	const r = spawnSync(join(root, 'script/load'), ['--url', `http://127.0.0.1:${port}/fhir`, tarball], { maxBuffer: 1 << 28 });
	const seconds = (performance.now() - t) / 1000;
	if (r.status !== 0) {
		failed++;
		log(`loading failed: ${r.stdout}\n${r.stderr}`.slice(-2000));
	} else {
		const wal = Number(lsn() - before);
		const n = Number(psql('SELECT count(*) FROM fhir.resource', 'loaded'));
		report(`load of synthea-100 through the gateway: ${n} resources in ${seconds.toFixed(1)} s`, '', `${Math.round(n / seconds)}/s`, n / seconds, 2700, null);
		rows.at(-1)[3] = '';
		report('disk a Synthea resource, everything indexed, KB', '', `${(size() / n / 1024).toFixed(2)} KB`, size() / n / 1024, 3, 2.5, 'less');
		psql('VACUUM ANALYZE', 'loaded');
		for (const line of psql("SELECT relname || ': ' || pg_size_pretty(pg_total_relation_size(c.oid)) || ' (heap ' || pg_size_pretty(pg_relation_size(c.oid)) || ')' FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'fhir' AND relkind = 'r' ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 6", 'loaded').split('\n'))
			log('  ' + line);
		report('WAL a loaded resource', '', `${Math.round(wal / n)} B`, null, null, null);
	}
	await stopGateway();
}

console.log(`\nPostgreSQL ${psql('SHOW server_version')}, ${os.cpus().length} x ${os.cpus()[0].model}, ${bytes}-byte Observations, ${conns} connections, ${runs} runs of ${secs} s\n`);
console.log('| what | plain | here | ratio | floor | |\n|---|---:|---:|---:|---|---|');
for (const r of rows) console.log(`| ${r.join(' | ')} |`);
process.exit(failed ? 1 : 0);
