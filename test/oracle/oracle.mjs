// oracle.mjs: random searches, each answered twice. Most are criteria: by the search (keys, SQL) and by fhir_matches over every document of the
// type. Others are whole searches with order, pages, includes and result controls: against whole.mjs. The rest are laws between searches: laws.mjs.
// The seed is printed; the same seed and data give the same queries. Closing line: "N passed, N failed, N skipped".
import { spawn } from 'node:child_process';
import { chance, criterion, db, join2, lit, load, model, pick, psql, seed, survey, wheel } from './generate.mjs';
import { describe, holds, randomLaw } from './laws.mjs';
import { defined } from './shape.mjs';
import { judge, label, randomContained, randomWhole, study } from './whole.mjs';

const total = Number(process.env.FHIR_ORACLE_QUERIES ?? 3000);
const part = Number(process.env.FHIR_ORACLE_WHOLE ?? 0.4); // share of whole searches
const among = Number(process.env.FHIR_ORACLE_LAWS ?? 0.15); // share of laws between searches
const contained = Number(process.env.FHIR_ORACLE_CONTAINED ?? 0.1); // share of those that answer contained resources
const show = Number(process.env.FHIR_ORACLE_SHOW ?? 25);

console.log(`oracle: seed ${seed}, ${total} queries`);
// FHIR_ORACLE_KEEP: use the database that is there
if (!process.env.FHIR_ORACLE_KEEP) console.log(`loaded ${load()} bundles and documents: ${psql('SELECT count(*) FROM oracle.docs').trim()} resources`);
survey();
study();

function randomCriteria() {
	const t = pick(wheel), filled = model.get(t).filter((p) => p.values.length), n = pick([1, 1, 1, 2, 2, 3]), cs = [];
	for (let i = 0; i < n; i++) {
		const c = chance(0.1) ? join2(t) : criterion(pick(chance(0.9) && filled.length ? filled : model.get(t)));
		if (c && c[1]) cs.push(`${c[0]}=${encodeURIComponent(c[1])}`);
	}
	return cs.length ? { t, q: cs.join('&') } : null;
}
// what contained resources answer, by _contained=true
const inside = psql("SELECT type || ' ' || count(*) FROM oracle.inside GROUP BY type ORDER BY type").trim().split('\n').map((l) => l.split(' ')).filter(([t]) => model.has(t)).flatMap(([t, n]) => Array(Math.ceil(1 + Math.log2(Number(n)))).fill(t));
function randomInside() {
	const t = pick(inside), c = chance(0.2) ? join2(t) : criterion(pick(model.get(t))), d = chance(0.3) ? criterion(pick(model.get(t))) : null;
	return c?.[1] && (!d || d[1]) ? { t, within: true, q: [c, d].filter(Boolean).map((x) => `${x[0]}=${encodeURIComponent(x[1])}`).join('&') } : null;
}
const queries = [];
while (queries.length < total) {
	if (chance(among)) {
		const law = randomLaw();
		if (law) queries.push({ law });
		continue;
	}
	const q = chance(part) ? { whole: inside.length && chance(contained) ? randomContained(inside) : randomWhole() } : inside.length && chance(contained) ? randomInside() : randomCriteria();
	if (q) queries.push(q);
}
const array = (a) => `ARRAY[${a.join(',')}]`;
const statement = ({ t, q, within, whole: w, law }) => (law ? law.sql : w
	? `SELECT oracle.whole(${array(w.ts.map(lit))}, ${lit(JSON.stringify(w.tree))}, ${w.type ? lit(w.type) : 'NULL'}, ${w.path ? lit(w.path) : 'NULL'}, ${lit(w.q)}, ${array(w.sizes)}, ${defined() && !w.inside}, ${w.inside ? lit(w.inside.q) : 'NULL'}, ${lit(w.explain)});`
	: `SELECT oracle.compare(${lit(t)}, ${lit(q)}, ${Boolean(within)});`);

let passed = 0, failed = 0, skipped = 0, held = 0, empty = 0, errors = 0, shown = 0, pages = 0;
const skips = new Map(), byParam = new Map();
function differs(text, r) {
	failed++;
	const key = text.replace(/=[^&]*/g, '').slice(0, 60);
	byParam.set(key, (byParam.get(key) ?? 0) + 1);
	if (shown++ < show) console.log(`not ok - ${text}\n    ${typeof r === 'string' ? r : JSON.stringify(r)}`);
}
function take({ t, q, within, whole: w, law }, r) {
	if (law) {
		const d = holds(law, r);
		if (d) return differs(describe(law), d);
		passed++;
		held++;
		if (r.error || r.sets?.some((x) => typeof x === 'string')) errors++;
	} else if (r.skip ?? (r.want_error === 'FH501' && r.want_message)) {
		const why = r.skip ?? r.want_message;
		skipped++;
		skips.set(why, (skips.get(why) ?? 0) + 1);
	} else if (w) {
		const d = judge(w, r);
		if (d) differs(label(w), d);
		else {
			passed++;
			pages += r.got?.pages.length ?? 0;
			if (r.got_error) errors++;
			else if (!r.got.pages[0].m.length) empty++;
		}
	} else if (r.differ) differs(`${t}?${decodeURIComponent(q)}${within ? ' within containers' : ''}`, r);
	else {
		passed++;
		if (r.error) errors++;
		else if (r.n === 0) empty++;
	}
}
const worker = (mine) => new Promise((done) => {
	const p = spawn('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', db]);
	let rest = '', i = 0, err = '';
	p.stderr.on('data', (d) => { err = (err + d).slice(-2000); });
	p.stdout.setEncoding('utf8').on('data', (d) => {
		const ls = (rest + d).split('\n');
		rest = ls.pop();
		for (const l of ls) take(mine[i++], JSON.parse(l));
	});
	p.on('exit', (c) => setTimeout(() => {
		if (c !== 0 || i !== mine.length) { console.log(`Bail out! psql ended (${c}) after ${i} of ${mine.length}, at ${JSON.stringify(mine[i])}: ${err}`); failed++; }
		done();
	}, 200));
	p.stdin.on('error', () => {});
	p.stdin.end('SET fhir.max_count = 100000;\nSET fhir.max_include = 100000;\n' + mine.map(statement).join('\n'));
});
await Promise.all([0, 1].map((k) => worker(queries.filter((_, i) => i % 2 === k))));
if (byParam.size) console.log('differences: ' + [...byParam].sort((a, b) => b[1] - a[1]).slice(0, 30).map(([k, n]) => `${k} ${n}`).join(', '));
if (skips.size) console.log('left out: ' + [...skips].map(([k, n]) => `${k} (${n})`).join('; '));
console.log(`seed ${seed}: ${passed} agree (${queries.filter((q) => q.whole).length} whole searches, ${pages} pages; ${held} laws; ${empty} without a match, ${errors} refused by both)`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed ? 1 : 0);
