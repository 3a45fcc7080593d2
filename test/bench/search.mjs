// search.mjs: how fast search is at a size, beside hand-written SQL over the same tables. See docs/benchmarks-search.md.
//
//   make bench-search [N=1000000] [ARGS="--shapes REGEX --clients 1,8 ..."]
//
// What is measured is the whole answer of fhir_http, by prepared statements over libpq, results in binary as the gateway asks for them. The cluster
// and its stores are kept and used again (search-cluster.mjs); the shapes are in search-shapes.mjs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import os from 'node:os';
import { Jobs, conninfo, client, dir, load, log, open, prewarm, psql, restartCold, root, run, startGateway, stop } from './search-cluster.mjs';
import { random } from './search-data.mjs';
import { shapes } from './search-shapes.mjs';
import { report, growth } from './search-report.mjs';

const usage = `node test/bench/search.mjs [OPTION]...
  --n N              resources [1000000]; with --growth a list [100000,300000,1000000]
  --growth           one client, warm, at several sizes: does time grow with the answer or with the store?
  --shapes REGEX     only shapes whose name matches
  --clients LIST     [1,8,64]
  --seconds S        of a measurement: shape, statement, number of clients [0.6]
  --rounds R         a measurement is made in so many turns of search and hand-written SQL [2]
  --values V         different values a shape [100]
  --no-cold          leave out what needs restarts
  --no-drop          after a restart leave the system's memory of files as it is: it is that of all others, too
  --no-hand          leave out the hand-written SQL
  --load             load anew
  --cpu              hold the backends' CPU time a call against the floors, not p50: for a machine that others use
  --write FILE       put the tables into FILE, between its marks
`;
const o = { n: null, growth: false, shapes: '', clients: '1,8,64', seconds: 0.6, rounds: 2, values: 100, cold: true, drop: true, hand: true, load: false, cpu: false, write: null };
for (let i = 2; i < process.argv.length; i++) {
	const name = process.argv[i].replace(/^--/, '');
	if (['growth', 'load', 'cpu'].includes(name)) o[name] = true;
	else if (['no-cold', 'no-drop', 'no-hand'].includes(name)) o[name.slice(3)] = false;
	else if (name in o && i + 1 < process.argv.length) o[name] = process.argv[++i];
	else {
		process.stderr.write(usage);
		process.exit(2);
	}
}
const clients = o.growth ? [1] : String(o.clients).split(',').map(Number);
const seconds = Number(o.seconds), rounds = Number(o.rounds), wanted = new RegExp(o.shapes);
const tarball = join(process.env.FHIR_SHARED_DATA ?? join(root, '../shared/data'), 'synthea/synthea-100.tar.gz');
if (!existsSync(tarball)) {
	console.log(`skipped: no ${tarball} (FHIR_SHARED_DATA)`);
	process.exit(0);
}

const version = await open({ anew: false });
process.on('exit', () => { try { stop(); } catch { /* it is down */ } });
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(130));

const HEADERS = `'{"accept": "*/*", "x-fhir-base": "http://127.0.0.1/fhir"}'`;
const SEARCH = `SELECT status, headers, body FROM fhir_http('GET', $1, ${HEADERS}, NULL)`;
const quote = (s) => `'${String(s).replaceAll("'", "''")}'`;
const copy = (rows) => rows.map((r) => r.map((x) => String(x).replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')).join('\t')).join('\n') + '\n\\.\n';

// ---- values, sampled from the store

function sampler(store) {
	const docs = new Map(), rng = random(4711);
	const sizes = "CASE type WHEN 'Observation' THEN 3000 ELSE 400 END";
	for (const line of psql(`SET statement_timeout = 0;\nSELECT type, fhir_document(v.doc) FROM (SELECT type, rid, version, row_number() OVER (PARTITION BY type ORDER BY hashint8extended(rid, 42)) AS n FROM ${store}.resource
		WHERE NOT deleted) r JOIN ${store}.version v USING (rid, version) WHERE n <= ${sizes.replaceAll('type', 'r.type')} ORDER BY r.type, n`.replace('SELECT type,', 'SELECT r.type,'), store).split('\n')) {
		const at = line.indexOf('\t'), type = line.slice(0, at);
		if (!docs.has(type)) docs.set(type, []);
		docs.get(type).push(JSON.parse(line.slice(at + 1)));
	}
	const of = (type) => docs.get(type) ?? [];
	const http = (url) => {
		const [status, body] = psql(`SELECT status, convert_from(body, 'UTF8')::jsonb FROM fhir_http('GET', ${quote(url)}, ${HEADERS}, NULL)`, store).split('\t');
		if (status !== '200') throw new Error(`${url}: ${body}`);
		return JSON.parse(body);
	};
	const byFrequency = (type, element) => {
		const seen = new Map();
		for (const c of of(type).map((d) => d[element]?.coding?.[0]).filter(Boolean)) {
			const e = seen.get(c.code) ?? { c, n: 0 };
			e.n++;
			seen.set(c.code, e);
		}
		return [...seen.values()].sort((a, b) => b.n - a.n || (a.c.code < b.c.code ? -1 : 1)).map((e) => e.c);
	};
	/** The page'th page of `count`, or the last full one: its URL and the resource before it. */
	const deep = (url, page, count) => {
		const total = http(`${url}${url.includes('?') ? '&' : '?'}_summary=count`).total;
		let left = Math.min((page - 1) * count, (Math.ceil(total / count) - 1) * count), next = `${url}${url.includes('?') ? '&' : '?'}`, at = null;
		if (left < count) return [];
		while (left > 0) {
			const step = Math.min(1000, left), bundle = http(`${next.replace(/&?_count=\d+/, '')}&_count=${step}`.replace('?&', '?'));
			left -= step;
			at = bundle.entry.at(-1).resource;
			next = bundle.link.find((l) => l.relation === 'next').url.replace(/^http:\/\/127.0.0.1\/fhir/, '');
		}
		return [{ url: `${next.replace(/&?_count=\d+/, '')}&_count=${count}`.replace('?&', '?'), after: at }];
	};
	/** What words of a type's side rows begin with: kind 'n' (narrative) or 'c'. */
	const tags = new Map();
	const wordTag = (type, kind) => {
		if (!tags.has(type + kind))
			tags.set(type + kind, psql(`SELECT "left"(l.lexeme, 4) FROM (SELECT rid FROM ${store}.resource WHERE type = '${type}' LIMIT 300) r JOIN ${store}.word w USING (rid), unnest(w.words) l
				WHERE "left"(l.lexeme, 1) = '${kind}' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`));
		return tags.get(type + kind);
	};
	return { of, rng, deep, wordTag, one: (type) => of(type)[rng(of(type).length)], common: (type, element, n) => byFrequency(type, element).slice(0, n), rare: (type, element, n) => byFrequency(type, element).slice(-n) };
}

/** Chooses the values and finds the keys that hand-written SQL needs; writes a file of calls a shape. */
function prepare(store) {
	const s = sampler(store), list = shapes(store).filter((x) => wanted.test(x.name)), docs = new Map(), groups = new Map();
	for (const x of list) {
		const seen = new Set();
		try {
			x.calls = x.values(s).filter((v) => !seen.has(v.url) && seen.add(v.url)).slice(0, x.kind === 'count' ? Math.min(16, o.values) : o.values);
		} catch (e) {
			x.calls = [];
			x.refused = String(e.message).slice(0, 300);
		}
		for (const v of x.calls) for (const d of Object.values(v.need)) docs.set(JSON.stringify(d), null);
	}
	const texts = [...docs.keys()];
	if (texts.length)
		for (const line of psql(`CREATE TEMP TABLE d(i int, doc jsonb);\nCOPY d FROM STDIN;\n${copy(texts.map((t, i) => [i, t]))}SELECT i, json_agg(json_build_object('source', source, 'structure', structure,
			'form', form, 'key', key::text, 'lo', lo::text, 'value', value)) FROM d, fhir_keys(doc) GROUP BY i;`, store).split('\n')) {
			const at = line.indexOf('\t');
			docs.set(texts[Number(line.slice(0, at))], JSON.parse(line.slice(at + 1)));
		}
	const keysOf = (v) => Object.fromEntries(Object.entries(v.need).map(([name, d]) => [name, docs.get(JSON.stringify(d)) ?? []]));
	for (const x of list) for (const v of x.calls) if (v.group) groups.set(v.group(keysOf(v)), null);
	if (groups.size)
		for (const line of psql(`SELECT hash, min(key) FROM ${store}.term WHERE hash = ANY ('{${[...groups.keys()].filter(Boolean).join(',')}}') GROUP BY hash`).split('\n')) {
			const [hash, key] = line.split('\t');
			groups.set(hash, key);
		}
	if (!list.length) throw new Error(`no shape matches ${wanted}`);
	mkdirSync(join(dir, 'values'), { recursive: true });
	list.forEach((x, i) => {
		for (const v of x.calls) {
			const k = keysOf(v);
			v.hand = x.hand ? v.params(k, v.group && groups.get(v.group(k))) : null;
		}
		if (x.calls.length === 0) return;
		x.urls = join(dir, 'values', `${store}-${i}.url`);
		x.params = join(dir, 'values', `${store}-${i}.sql`);
		writeFileSync(x.urls, x.calls.map((v) => v.url).join('\n') + '\n');
		if (x.hand) writeFileSync(x.params, x.calls.map((v) => v.hand.join('\t') || ' ').join('\n') + '\n');
	});
	return list;
}

// ---- the same answers, and what is read for them

const parameters = (sql) => Math.max(0, ...[...sql.matchAll(/\$(\d+)/g)].map((m) => Number(m[1])));
const bind = (sql, params) => sql.replace(/\$(\d+)/g, (all, i) => quote(params[i - 1]));
// rows of tables, by whatever way; entries of indexes; rows of sequential scans
const readRows = (store) => `SELECT coalesce(sum(pg_stat_get_xact_tuples_fetched(oid) + CASE relkind WHEN 'r' THEN pg_stat_get_xact_tuples_returned(oid) ELSE 0 END), 0),
	coalesce(sum(pg_stat_get_xact_tuples_returned(oid)) FILTER (WHERE relkind = 'i'), 0), coalesce(sum(pg_stat_get_xact_tuples_returned(oid)) FILTER (WHERE relkind = 'r'), 0)
	FROM pg_class WHERE relnamespace = '${store}'::regnamespace AND relkind IN ('r', 'i')`.replace(/\s+/g, ' ');

/** One call of each of some values: its matches, how many rows and buffers it reads, whether the hand-written ways answer the same. */
function examine(x, store) {
	const some = x.calls.filter((v, i) => i < 4 || x.kind === 'count');
	const script = some.map((v) => `BEGIN;
SELECT 'answer', status, b ->> 'total', CASE WHEN b ? 'id' THEN json_build_array(b -> 'id') ELSE (SELECT json_agg(e -> 'resource' ->> 'id' ORDER BY n) FROM jsonb_array_elements(b -> 'entry') WITH ORDINALITY j(e, n)) END,
  (SELECT count(*) FROM jsonb_array_elements(b -> 'entry') e WHERE e -> 'search' ->> 'mode' = 'match'), CASE WHEN status <> 200 THEN b #>> '{issue,0,diagnostics}' END
FROM (SELECT status, convert_from(body, 'UTF8')::jsonb AS b FROM fhir_http('GET', ${quote(v.url)}, ${HEADERS}, NULL)) a;
COMMIT;
BEGIN;
${readRows(store).replace('SELECT ', "SELECT 'before', ")};
EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${SEARCH.replace('$1', quote(v.url))};
${readRows(store).replace('SELECT ', "SELECT 'after', ")};
COMMIT;`).join('\n');
	const answers = [];
	let json = null;
	for (const line of psql(script, store).split('\n')) {
		const f = line.split('\t');
		if (f[0] === 'answer') answers.push({ status: Number(f[1]), total: f[2] ? Number(f[2]) : null, ids: f[3] ? JSON.parse(f[3]) : [], matches: Number(f[4] || 0), error: f[5] });
		else if (f[0] === 'before') answers.at(-1).before = f.slice(1).map(Number), (json = '');
		else if (f[0] === 'after') {
			const plan = JSON.parse(json)[0].Plan, a = answers.at(-1);
			a.rows = Math.max(Number(f[1]) - a.before[0], Number(f[2]) - a.before[1]);
			a.scanned = Number(f[3]) - a.before[2];
			a.buffers = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
			json = null;
		} else if (json !== null) json += line;
	}
	x.refused = answers.find((a) => a.status !== 200)?.error ?? x.refused;
	x.matches = Math.round(answers.reduce((n, a) => n + (a.total ?? a.matches), 0) / answers.length);
	x.rows = Math.max(...answers.map((a) => a.rows));
	x.scanned = Math.max(...answers.map((a) => a.scanned));
	x.buffers = Math.max(...answers.map((a) => a.buffers));
	x.most = Math.max(...answers.map((a) => Math.max(a.total ?? 0, a.ids.length)));
	if (!x.hand || x.refused) return;
	x.differs = [];
	x.ways = x.hand.filter((sql, way) => {
		const count = !/ AS doc/.test(sql), total = / AS total/.test(sql);
		try {
			const got = psql(`SET jit = off; SET statement_timeout = '8s';\n` + some.map((v) => count ? `SELECT total, NULL FROM (${bind(sql, v.hand)}) h;`
				: `SELECT ${total ? 'max(total)' : 'NULL'}, json_agg(h.id) FROM (${bind(sql, v.hand)}) h;`).join('\n'), store).split('\n').map((l) => l.split('\t'));
			const order = (ids) => (x.unordered ? [...ids].sort() : ids).join(' ');
			return answers.every((a, i) => {
				const ids = got[i][1] ? JSON.parse(got[i][1]).filter(Boolean) : [];
				const same = (count || order(ids) === order(a.ids)) && (!total || Number(got[i][0]) === a.total);
				if (!same) x.differs.push(`way ${way + 1}, ${some[i].url.slice(0, 200)}: search ${a.total} ${a.ids.length} [${a.ids.slice(0, 2)}], by hand ${got[i][0]} ${ids.length} [${ids.slice(0, 2)}]`);
				return same;
			});
		} catch {
			x.slow = true; // of no use as a measure
			return false;
		}
	});
}

/** Which way of writing it, and which kind of plan, is fastest. */
async function choose(x, jobs) {
	let best = null;
	for (const sql of x.ways ?? [])
		for (const mode of ['custom', 'generic']) {
			const r = await jobs.run({ seconds: 0.1, calls: 2, warm: 1, file: x.params, setup: handSetup(mode), sql });
			if (!r.errors && (!best || r.mean < best.mean)) best = { sql, mode, mean: r.mean };
		}
	x.best = best;
}

// ---- measuring

const handSetup = (mode) => `SET plan_cache_mode = force_${mode}_plan; SET jit = off${o.cpu ? '; SET max_parallel_workers_per_gather = 0' : ''}`;
const handJob = (x) => ({ file: x.params, setup: handSetup(x.best.mode), sql: x.best.sql });
const merge = (runs) => {
	const mean = (f) => runs.reduce((n, r) => n + f(r), 0) / runs.length;
	return { rate: mean((r) => r.rate), p50: mean((r) => r.p50), p99: Math.max(...runs.map((r) => r.p99)), mean: mean((r) => r.mean), calls: runs.reduce((n, r) => n + r.calls, 0),
		bytes: Math.round(mean((r) => r.bytes)), cpu: mean((r) => r.cpu), errors: runs.reduce((n, r) => n + r.errors, 0), error: runs.find((r) => r.error)?.error };
};

async function warm(list, store) {
	prewarm(store);
	for (const n of clients) {
		let jobs = new Jobs(store, n);
		for (const x of list) try {
			const ours = [], hand = [], common = { seconds: seconds / rounds, calls: x.kind === 'count' ? 4 : 10, warm: 5 };
			if (n === clients[0] && o.hand) await choose(x, jobs);
			// what takes seconds with so many clients is asked for once, without rehearsal
			const slow = (which) => (x.warm[clients[0]]?.[which]?.mean ?? 0) * n / os.cpus().length > 1000;
			for (let i = 0; i < rounds; i++) {
				if (i === 0 || !slow('ours')) ours.push(await jobs.run({ ...common, ...(slow('ours') ? { warm: 0 } : {}), file: x.urls, sql: SEARCH }));
				if (x.best && (i === 0 || !slow('hand'))) hand.push(await jobs.run({ ...common, ...(slow('hand') ? { warm: 0 } : {}), ...handJob(x) }));
			}
			x.warm[n] = { ours: merge(ours), hand: hand.length ? merge(hand) : null };
			const w = x.warm[n];
			log(`${n} clients  ${x.name}: ${w.ours.p50.toFixed(2)} / ${w.ours.p99.toFixed(2)} ms${w.hand ? `, by hand ${w.hand.p50.toFixed(2)} / ${w.hand.p99.toFixed(2)}, ratio ${(w.ours.p50 / w.hand.p50).toFixed(2)}` : ''}; CPU ${w.ours.cpu.toFixed(2)}${w.hand ? `, by hand ${w.hand.cpu.toFixed(2)}` : ''}${w.ours.errors ? `; ${w.ours.errors} ERRORS: ${w.ours.error}` : ''}`);
		} catch (e) { // a connection broke: the others go on
			x.refused = `with ${n} clients: ${e.message}`;
			log(`${x.name}: ${x.refused}`);
			jobs = new Jobs(store, n);
		}
		await jobs.end();
	}
}

/** The first calls of fresh connections after a restart: 20 of one client, one each of more. */
async function cold(list, store) {
	let dropped = true;
	for (const x of list)
		for (const n of clients) {
			const calls = n === 1 ? Math.min(20, x.calls.length * 2) : 1;
			for (const which of n === 1 && x.best ? ['ours', 'hand'] : ['ours']) {
				dropped = restartCold(o.drop) && dropped;
				const jobs = new Jobs(store, n);
				(x.cold[n] ??= {})[which] = await jobs.run({ seconds: 0, calls, warm: 0, ...(which === 'ours' ? { file: x.urls, sql: SEARCH } : handJob(x)) });
				await jobs.end();
			}
			log(`cold, ${n} clients  ${x.name}: ${x.cold[n].ours.p50.toFixed(2)} / ${x.cold[n].ours.p99.toFixed(2)} ms`);
		}
	return dropped;
}

/** The same search through the gateway: one row. */
async function gateway(list, store) {
	const x = list.find((s) => s.name === 'Observation?patient=p') ?? list.find((s) => s.urls && !s.refused);
	const g = x && await startGateway(store);
	if (!g) return null;
	const paths = join(dir, 'values', 'paths'), got = {};
	writeFileSync(paths, x.calls.map((v) => `/fhir${v.url}`).join('\n') + '\n');
	for (const n of clients) {
		run(client, ['http', String(g.port), String(n), '0.3', paths]);
		const [rate, p50, p99] = run(client, ['http', String(g.port), String(n), String(seconds), paths]).trim().split(' ').map(Number);
		got[n] = { rate, p50, p99 };
	}
	await g.stop();
	return { name: x.name, got };
}

async function measure(n) {
	const { store, resources, seconds: loading } = await load(n, tarball, o.load);
	log(`${resources} resources in store ${store}, loaded in ${loading.toFixed(0)} s`);
	const t = performance.now(), list = prepare(store);
	for (const x of list) {
		x.warm = {};
		x.cold = {};
		try {
			if (x.calls.length) examine(x, store);
		} catch (e) {
			x.refused ??= String(e.message).slice(0, 300);
		}
		for (const d of x.differs ?? []) log(`DIFFERS ${x.name}: ${d}`);
		if (x.refused) log(`refused ${x.name}: ${x.refused}`);
		else if (!x.calls.length) log(`no values for ${x.name}`);
	}
	const able = list.filter((x) => x.calls.length && !x.refused), minutes = () => `${((performance.now() - t) / 60000).toFixed(1)} minutes`;
	log(`prepared after ${minutes()}`);
	await warm(able, store);
	log(`warm done after ${minutes()}`);
	const through = o.growth ? null : await gateway(able, store);
	const dropped = o.cold && !o.growth ? await cold(able, store) : null;
	const sizes = Object.fromEntries(psql(`SELECT type, count(*) FROM ${store}.resource WHERE NOT deleted GROUP BY type ORDER BY count(*) DESC`).split('\n').map((l) => l.split('\t')).map(([k, v]) => [k, Number(v)]));
	const disk = psql(`SELECT pg_size_pretty(sum(pg_total_relation_size(oid))) FROM pg_class WHERE relnamespace = '${store}'::regnamespace AND relkind = 'r'`);
	return { n, store, resources, loading, sizes, disk, dropped, gateway: through, took: (performance.now() - t) / 1000, version, cpu: `${os.cpus().length} x ${os.cpus()[0].model}`,
		buffers: psql('SHOW shared_buffers'), seconds, rounds, clients, shapes: list };
}

/** How each shape that misses its floor runs. */
function explain(result) {
	const into = join(dir, `explain-${result.store}`);
	mkdirSync(into, { recursive: true });
	for (const x of result.shapes.filter((s) => s.verdict === 'FAIL' && s.calls.length && s.calls[0].url.match(/^\/\w+\?/))) {
		const [, type, query] = /^\/(\w+)\?(.*)$/.exec(x.calls[0].url);
		let text = `${x.name}\n${x.calls[0].url}\n\n`;
		try {
			text += psql(`SELECT fhir_explain(${quote(type)}, ${quote(query)}, true)`, result.store);
			if (x.best) text += `\n\n-- by hand (${x.best.mode} plan)\n${bind(x.best.sql, x.calls[0].hand)}\n` + psql(`EXPLAIN (ANALYZE, BUFFERS) ${bind(x.best.sql, x.calls[0].hand)}`, result.store);
		} catch (e) {
			text += String(e.message);
		}
		writeFileSync(join(into, `${x.name.replace(/[^\w.=-]+/g, '_')}.txt`), text.slice(0, 200000) + '\n');
	}
}

const sizes = o.growth ? String(o.n ?? '100000,300000,1000000').split(',').map(Number) : [Number(o.n ?? 1000000)];
const results = [];
for (const n of sizes) results.push(await measure(n));
const { text, failed } = o.growth ? growth(results, o.cpu) : report(results[0], o.cpu);
if (!o.growth) explain(results[0]);
const plain = (r) => ({ ...r, shapes: r.shapes.map(({ values, hand, ways, calls, urls, params, ...s }) => ({ ...s, values: calls.length, example: calls[0]?.url?.slice(0, 500) })) });
const file = join(dir, `${o.growth ? 'growth' : `result-${sizes[0]}`}.json`);
writeFileSync(file, JSON.stringify(o.growth ? results.map(plain) : plain(results[0]), null, 1) + '\n');
console.log(text);
log(`\n${file}`);
if (o.write) {
	const mark = o.growth ? 'growth' : 'figures', doc = readFileSync(o.write).toString();
	const [from, to] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->`];
	if (!doc.includes(from) || !doc.includes(to)) throw new Error(`${o.write} has no ${from.trim()} ... ${to}`);
	writeFileSync(o.write, doc.slice(0, doc.indexOf(from) + from.length) + '\n' + text + '\n' + doc.slice(doc.indexOf(to)));
}
process.exit(failed ? 1 : 0);
