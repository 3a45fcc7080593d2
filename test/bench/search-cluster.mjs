// search-cluster.mjs: a cluster that is kept from run to run, with one store for each size of data in one database.
//
// Kept in $BENCH_SEARCH_DATA, by default build/bench-search/data, or /var/tmp/fhir-bench-search-NAME when called as root (NAME: the checkout's
// directory), for PostgreSQL refuses to run as root. A store is loaded anew when the layout of tables or keys has changed since.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import net from 'node:net';
import os from 'node:os';
import { replicate } from './search-data.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const dir = join(root, 'build/bench-search');
export const client = join(dir, 'client');
export const pgConfig = process.env.PG_CONFIG ?? 'pg_config';
export const run = (cmd, args, opt = {}) => execFileSync(cmd, args, { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'], ...opt }).toString();
export const log = (...a) => console.error(...a);

const bin = run(pgConfig, ['--bindir']).trim();
const user = process.getuid() === 0 ? (process.env.BENCH_USER ?? 'postgres') : null;
const asUser = (cmd, ...args) => (user ? run('runuser', ['-u', user, '--', cmd, ...args]) : run(cmd, args));
const pgdata = process.env.BENCH_SEARCH_DATA ?? (user ? `/var/tmp/fhir-bench-search-${basename(root)}` : join(dir, 'data'));
const freePort = () => new Promise((ok) => { const s = net.createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => ok(p)); }); });
let port = 0, running = false;

export const conninfo = (store = null, db = 'bench') => `host=127.0.0.1 port=${port} user=bench dbname=${db}${store ? ` options='-c fhir.store=${store} -c statement_timeout=60s -c client_min_messages=warning'` : ''}`;
/** One statement or several; rows as lines, columns separated by tabs. */
export const psql = (sql, store = null, db = 'bench') => run(join(bin, 'psql'), ['-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', conninfo(store, db), '-f', '-'], { input: sql, stdio: ['pipe', 'pipe', 'inherit'] }).replace(/\n$/, '');

const ctl = (...args) => asUser(join(bin, 'pg_ctl'), '-D', pgdata, '-w', ...args);
export function start() {
	ctl('-l', join(pgdata, 'log'), '-o', `-p ${port}`, 'start');
	running = true;
}
export function stop() {
	if (running) ctl('-m', 'fast', 'stop');
	running = false;
}

/** Starts PostgreSQL anew, with nothing of its files in memory (drop) where that is allowed; answers whether it is. */
export function restartCold(drop) {
	stop();
	let dropped = false;
	if (drop) try {
		run('sync', []);
		writeFileSync('/proc/sys/vm/drop_caches', '3');
		dropped = true;
	} catch { /* only root may, and not in each container */ }
	start();
	return dropped;
}

export async function open({ anew }) {
	mkdirSync(dir, { recursive: true });
	const includes = run(pgConfig, ['--includedir']).trim();
	run('gcc', ['-O2', '-std=gnu17', `-I${includes}`, `-I${includes}/postgresql`, '-I/usr/include/postgresql', '-o', client, join(root, 'test/bench/client.c'), '-lpq', '-lpthread']);
	port = await freePort();
	const version = run(pgConfig, ['--version']).trim();
	const kept = existsSync(join(pgdata, 'PG_VERSION')) && version.includes(` ${readFileSync(join(pgdata, 'PG_VERSION')).toString().trim()}.`);
	if (anew || !kept) {
		rmSync(pgdata, { recursive: true, force: true });
		mkdirSync(pgdata, { mode: 0o700, recursive: true });
		if (user) run('chown', [user, pgdata]);
		asUser(join(bin, 'initdb'), '-D', pgdata, '-U', 'bench', '-A', 'trust', '--no-locale', '-E', 'UTF8');
		const buffers = Math.min(8192, Math.floor(os.totalmem() / 4 / 1048576));
		const conf = `listen_addresses='127.0.0.1'\nunix_socket_directories=''\nshared_buffers=${buffers}MB\nmax_wal_size=8GB\ncheckpoint_timeout=30min\nautovacuum=off\nmax_connections=200\nsynchronous_commit=off\n`;
		asUser('sh', '-c', `printf '%s' "$1" >> "$2/postgresql.conf"`, '-', conf, pgdata);
	}
	start();
	if (psql("SELECT count(*) FROM pg_database WHERE datname = 'bench'", null, 'postgres') === '0') {
		psql('CREATE DATABASE bench', null, 'postgres');
		psql('CREATE TABLE loaded(store text PRIMARY KEY, layout text, resources bigint, seconds float8); CREATE TABLE installed(script text)');
	}
	// the extension as it is now; dropping it leaves stores alone
	const script = createHash('sha256').update(readFileSync(join(run(pgConfig, ['--sharedir']).trim(), 'extension/fhir--0.1.sql'))).digest('hex');
	if (psql('SELECT script FROM installed') !== script)
		psql(`SET client_min_messages = warning; BEGIN; DROP EXTENSION IF EXISTS fhir; CREATE EXTENSION fhir CASCADE; DELETE FROM installed; INSERT INTO installed VALUES ('${script}'); COMMIT`);
	return version;
}

function layout() {
	const h = createHash('sha256');
	for (const f of ['src/store/catalog/catalog_ddl.c', 'src/model/model_tables_params.c', 'test/bench/search-data.mjs']) h.update(readFileSync(join(root, f)));
	h.update(/FHIR_KEY_VERSION \d+/.exec(readFileSync(join(root, 'src/keys/keys.h')))[0]);
	return h.digest('hex');
}

/** The store with at least n resources, loaded if it is not there. Answers { store, resources, seconds }. */
export async function load(n, tarball, anew) {
	const store = `n${n}`, now = layout();
	const found = psql(`SELECT resources, seconds FROM loaded WHERE store = '${store}' AND layout = '${now}'`);
	if (found && !anew) {
		const [resources, seconds] = found.split('\t').map(Number);
		return { store, resources, seconds };
	}
	if (psql(`SELECT count(*) FROM pg_namespace WHERE nspname = '${store}'`) === '1')
		psql(`SET client_min_messages = warning; DROP SCHEMA ${store} CASCADE; DELETE FROM loaded WHERE store = '${store}'`);
	psql(`SELECT fhir_store_create('${store}')`);
	const t = performance.now();
	const feed = spawn(client, ['feed', conninfo(store).replace(' -c statement_timeout=60s', ''), String(Math.min(4, os.cpus().length)),
		"SELECT jsonb_array_length(fhir_transaction($1::jsonb) -> 'entry')"], { stdio: ['pipe', 'pipe', 'inherit'] });
	const done = new Promise((ok, no) => {
		let out = '';
		feed.stdout.on('data', (x) => { out += x; });
		feed.on('close', (code) => (code === 0 ? ok(Number(out)) : no(new Error('loading failed'))));
	});
	feed.stdin.on('error', () => { /* it told why and ended */ });
	let sent = 0, told = 0;
	for (const [text, count] of replicate(tarball, join(dir, 'synthea'), n)) {
		if (!feed.stdin.write(text + '\n')) await Promise.race([new Promise((ok) => feed.stdin.once('drain', ok)), done]);
		sent += count;
		if (sent - told >= 100000) log(`loading: ${(told = sent)} of ${n}`);
	}
	feed.stdin.end();
	await done;
	const seconds = (performance.now() - t) / 1000;
	for (const table of psql(`SELECT relname FROM pg_class WHERE relnamespace = '${store}'::regnamespace AND relkind = 'r'`).split('\n')) psql(`VACUUM (FREEZE, ANALYZE) ${store}.${table}`);
	psql('CHECKPOINT');
	const resources = Number(psql(`SELECT count(*) FROM ${store}.resource`));
	psql(`INSERT INTO loaded VALUES ('${store}', '${now}', ${resources}, ${seconds})`);
	return { store, resources, seconds };
}

/** Tables and indexes of the store into PostgreSQL's buffers. */
export function prewarm(store) {
	try {
		psql(`SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pg_prewarm; SELECT count(pg_prewarm(oid)) FROM pg_class WHERE relnamespace = '${store}'::regnamespace AND relkind IN ('r', 'i')`);
	} catch {
		log('no pg_prewarm: the first calls are slower');
	}
}

/** Runs jobs one after the other over the same connections. */
export class Jobs {
	constructor(store, clients) {
		this.child = spawn(client, ['jobs', conninfo(store), String(clients)], { stdio: ['pipe', 'pipe', 'inherit'] });
		this.waiting = [];
		let rest = '';
		this.child.stdout.on('data', (x) => {
			const lines = (rest + x).split('\n');
			rest = lines.pop();
			for (const l of lines) this.waiting.shift().ok(l);
		});
		this.child.stdin.on('error', () => { /* it told why and ended */ });
		this.child.on('close', (code) => { for (const w of this.waiting) w.no(new Error(`the client ended (${code})`)); });
	}
	/** { rate, p50, p99, mean, calls, bytes, cpu, errors, error } */
	async run({ seconds, calls, warm, file, setup = '', sql }) {
		const line = await new Promise((ok, no) => {
			this.waiting.push({ ok, no });
			this.child.stdin.write([seconds, calls, warm, file, setup, sql].join('\t') + '\n');
		});
		const f = line.split('\t');
		const [rate, p50, p99, mean, n, bytes, cpu, errors] = f.slice(0, 8).map(Number);
		return { rate, p50, p99, mean, calls: n, bytes, cpu, errors, error: f[8] };
	}
	end() {
		return new Promise((ok) => { this.child.on('close', ok); this.child.stdin.end(); });
	}
}

export async function startGateway(store) {
	const binary = join(root, 'fhir-gateway');
	if (!existsSync(binary)) return null;
	const at = await freePort();
	const child = spawn(binary, ['--listen', `127.0.0.1:${at}`, '--base', '/fhir'], { env: { ...process.env, FHIR_GATEWAY_DATABASE: conninfo(store) }, stdio: 'ignore' });
	for (let i = 0; i < 100; i++) {
		try { if ((await fetch(`http://127.0.0.1:${at}/readyz`)).ok) return { port: at, stop: () => new Promise((ok) => { child.on('exit', ok); child.kill('SIGTERM'); }) }; } catch { /* not yet */ }
		await new Promise((r) => setTimeout(r, 100));
	}
	child.kill('SIGTERM');
	return null;
}
