// hidden.mjs: rights reach every leg of a search. A store that holds resources which the caller may not see (search_restriction_hook, set by
// test/modules/hide) must answer every search, byte by byte, as a store answers into which they were never loaded: matches, their order, totals,
// pages and links, includes, chains, _has, lists, value sets, texts. Then each leg in turn is left unrestricted, and that must show.
// Needs the database of oracle.mjs. Closing line: "N passed, N failed, N skipped".
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chance, criterion, db, edges, int, join2, lit, model, pick, psql, root, seed, survey, types, wheel } from './generate.mjs';
import { randomWhole, study } from './whole.mjs';

const total = Number(process.env.FHIR_ORACLE_HIDDEN ?? 800);
const visible = `${db}_visible`, whole = `${db}_whole`;
const module_ = join(root, 'test/modules/hide/hide.so');
const legs = readFileSync(join(root, 'src/search/plan/plan.h'), 'utf8').match(/typedef enum SearchLeg \{(.*?)\}/s)[1].replace(/\/\*.*?\*\//gs, '').split(',').map((s) => s.trim()).filter(Boolean);
// who may be seen, as a module would say it: by what stands in a table, by the resource's security label
const restricted = `LOAD '${module_}';\nSET hide.predicate = 'NOT EXISTS (SELECT 1 FROM diff.hidden h WHERE h.type OPERATOR(pg_catalog.=) %r.type AND h.id OPERATOR(pg_catalog.=) %r.id)';\n`;

let passed = 0, failed = 0, shown = 0;
const ok = (good, text) => { if (good) passed++; else { failed++; console.log(`not ok - ${text}`); } };

console.log(`hidden: seed ${seed}, ${total} queries`);
survey();
study();

// ---- two stores: without the hidden ones, and with them on top
const all = psql('SELECT doc FROM oracle.docs ORDER BY type, id').trim().split('\n').map((l) => [JSON.parse(l), l]);
if (all.length < 1000) {
	console.log('skipped: too few resources without Synthea and HL7 examples');
	console.log('0 passed, 0 failed, 1 skipped');
	process.exit(0);
}
const mustHide = new Set(['ValueSet/odd-in', 'CodeSystem/odd-cs']), isHidden = new Map(), names = new Set(all.map(([d]) => `${d.resourceType}/${d.id}`));
// a hidden list with entries that are there and seen
const list = all.map(([d]) => d).find((d) => d.resourceType === 'List' && (d.entry ?? []).some((e) => names.has(e.item?.reference) && !e.deleted && e.item.reference !== `List/${d.id}`));
const mustShow = new Set((list?.entry ?? []).map((e) => e.item?.reference));
if (list) mustHide.add(`List/${list.id}`);
for (const [t] of types) {
	const ids = all.filter(([d]) => d.resourceType === t).map(([d]) => d.id);
	for (const id of ids) isHidden.set(`${t}/${id}`, mustHide.has(`${t}/${id}`) || (chance(0.3) && !mustShow.has(`${t}/${id}`)));
}
const file = (name, text) => { const dir = mkdtempSync(join(tmpdir(), 'oracle-')); writeFileSync(join(dir, name), text); return [dir, join(dir, name)]; };
function store(database, hide) {
	const [dir, f] = file('f.sql', all.filter(([d]) => isHidden.get(`${d.resourceType}/${d.id}`) === hide).map(([d, l]) => {
		// the label by which they are hidden stands in the document, too
		const text = hide ? JSON.stringify({ ...d, meta: { ...d.meta, security: [...(d.meta.security ?? []), { system: 'urn:test', code: 'hidden' }] } }) : l;
		return `SELECT fhir_update(${lit(text)}) IS NOT NULL;`;
	}).join('\n') + (hide ? "\nINSERT INTO diff.hidden SELECT type, id FROM fhir_search_rows(NULL, '_type=" + types.map(([t]) => t).join(',') + "&_security=urn:test|hidden&_count=100000');\n" : ''));
	execFileSync('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', 'SET fhir.max_count = 100000', '-c', 'SET fhir.check_mode = structure', '-f', f], { maxBuffer: 1 << 28 });
	rmSync(dir, { recursive: true });
}
for (const d of [whole, visible]) psql(`SET client_min_messages = warning;\nDROP DATABASE IF EXISTS ${d}`, 'postgres');
psql(`CREATE DATABASE ${visible}`, 'postgres');
psql('SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE', visible);
psql(readFileSync(join(root, 'test/oracle/hidden.sql'), 'utf8'), visible);
store(visible, false);
psql(`CREATE DATABASE ${whole} TEMPLATE ${visible}`, 'postgres');
store(whole, true);
for (const d of [whole, visible]) psql('VACUUM ANALYZE', d);
const nhidden = Number(psql('SELECT count(*) FROM diff.hidden', whole));
ok(nhidden === [...isHidden.values()].filter(Boolean).length && nhidden > 100, `${nhidden} resources are hidden`);
console.log(`${nhidden} of ${all.length} resources are hidden`);

// ---- queries
const words = [...new Set(all.flatMap(([d]) => (d.text?.div ?? '').replace(/<[^>]*>/g, ' ').split(/[^A-Za-z]+/)).filter((w) => w.length > 3))];
const queries = [];
const add = (t, q, path = null) => queries.push({ t, path, q, size: 1 + int(pick([3, 20, 100])) });
for (const [d] of all) {
	const name = `${d.resourceType}/${d.id}`;
	if (d.resourceType === 'List') for (const t of new Set((d.entry ?? []).map((e) => e.item?.reference?.split('/')[0]).filter((t) => model.has(t)))) add(t, `_list=${d.id}`);
	if (d.resourceType === 'ValueSet') { add('Observation', `code:in=${encodeURIComponent(d.url ?? name)}`); add('Observation', `category:not-in=${encodeURIComponent(d.url ?? name)}`); }
}
const byEdge = [...new Set(edges.map((e) => String(e)))].map((x) => x.split(',')).filter(([t, , target]) => model.has(t) && model.has(target));
for (let i = 0; i < 25; i++) {
	const [t, code, target] = pick(byEdge), p = (x) => pick(model.get(x).filter((y) => y.kind === 'token' && y.values.length)) ?? { code: '_id' };
	add(t, `_include=${t}:${code}`);
	add(target, `_revinclude=${t}:${code}`);
	add(target, `_has:${t}:${code}:${p(t).code}:missing=${chance(0.5)}`);
	add(t, `${code}:${target}.${p(target).code}:missing=${chance(0.5)}&_total=accurate`);
	add(t, `_sort=${chance(0.5) ? '-' : ''}${code}:${target}._id`);
}
// who refers is hidden, what it refers to is not
for (const [d] of all.filter(([d]) => isHidden.get(`${d.resourceType}/${d.id}`) && isHidden.get(d.subject?.reference) === false && model.get(d.resourceType)?.some((p) => p.code === 'subject')).slice(0, 5))
	add(d.subject.reference.split('/')[0], `_has:${d.resourceType}:subject:_id=${d.id}`);
add('Observation', `category:below=${encodeURIComponent('http://terminology.hl7.org/CodeSystem/observation-category|vital-signs')}`);
const directed = queries.length;
const chains = [...new Set(edges.filter(([, , target]) => model.has(target)).map(([t, code, target]) => `${t} ${code} ${target}`))].map((x) => x.split(' '));
while (queries.length < total) {
	const r = Math.floor(int(100));
	const t = pick(wheel), f = model.get(t).filter((p) => p.values.length);
	if (r < 45) {
		const w = randomWhole();
		add(w.type, w.q, w.path);
	} else if (r < 65) {
		const j = join2(t, 3);
		if (j && j[1]) add(t, `${j[0]}=${encodeURIComponent(j[1])}`);
	} else if (r < 72) add(t, `${pick(['_text', '_content'])}=${pick(words)}${chance(0.5) ? '&_total=accurate' : ''}`);
	else if (r < 80) { // chained order
		const [ct, code, target] = pick(chains), p = pick(model.get(target).filter((x) => x.values.length && x.kind !== 'composite'));
		if (p) add(ct, `_sort=${chance(0.5) ? '-' : ''}${code}${chance(0.5) ? ':' + target : ''}.${p.code}`);
	} else if (r < 85) {
		const c = f.length ? criterion(pick(f)) : null;
		add(t, `_contained=${pick(['true', 'both'])}${c && c[1] ? `&${c[0]}=${encodeURIComponent(c[1])}` : ''}${chance(0.3) ? '&_containedType=contained' : ''}`);
	} else if (r < 90) { // brackets within _filter, terminology
		const [ct, code, target] = pick(chains), p = pick(model.get(target).filter((x) => x.kind === 'token' && x.values.length)), c = p && criterion({ ...p, values: [pick(p.values)] });
		if (c && c[1] && !c[0].includes(':') && !/[\s,"()\\]/.test(c[1])) add(ct, `_filter=${encodeURIComponent(pick([`${code}.${p.code} eq ${c[1]}`, `${code}[${p.code} eq ${c[1]}]._id pr true`, `not (${code}.${p.code} eq ${c[1]})`]))}`);
	} else {
		const c = f.length ? criterion(pick(f)) : null;
		if (c && c[1]) add(t, `${c[0]}=${encodeURIComponent(c[1])}&_total=${pick(['accurate', 'estimate'])}${chance(0.5) ? '&_sort=-_lastUpdated' : ''}`);
	}
}

const ask = (database, setup, mine) => new Promise((done) => {
	const p = spawn('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', database]);
	const out = [];
	let rest = '', err = '';
	p.stderr.on('data', (d) => { err = (err + d).slice(-1000); });
	p.stdout.setEncoding('utf8').on('data', (d) => { const ls = (rest + d).split('\n'); rest = ls.pop(); out.push(...ls); });
	p.on('exit', (c) => setTimeout(() => {
		if (c !== 0 || out.length !== mine.length) { console.log(`Bail out! psql ended (${c}) after ${out.length} of ${mine.length}, at ${JSON.stringify(mine[out.length])}: ${err}`); process.exit(1); }
		done(out);
	}, 100));
	p.stdin.on('error', () => {});
	p.stdin.end(setup + mine.map(({ t, path, q, size }) => `SELECT replace(diff.answer(${t ? lit(t) : 'NULL'}, ${path ? lit(path) : 'NULL'}, ${lit(q)}, ${size}), E'\\n', ' ');`).join('\n'));
});
const text = (x) => `${x.path ?? x.t ?? ''}?${decodeURIComponent(x.q)} (${x.size})`;

// what statistics know is not told to a restricted caller: there an estimate is exact
const exact = (text) => text.replaceAll('_total=estimate', '_total=accurate');
const [want, got] = await Promise.all([ask(visible, '', queries.map((x) => ({ ...x, q: exact(x.q) }))), ask(whole, restricted, queries)]).then((a) => a.map((b) => b.map(exact)));
let refused = 0;
for (const [i, x] of queries.entries()) {
	if (/^(FH|[0-9A-Z]{2})\d\d\d\d? /.test(want[i])) refused++;
	if (want[i] === got[i]) { passed++; continue; }
	failed++;
	const at = [...want[i]].findIndex((c, k) => c !== got[i][k]);
	if (shown++ < 15) console.log(`not ok - ${text(x)}\n    hidden:       ...${got[i].slice(Math.max(0, at - 80), at + 160)}\n    never loaded: ...${want[i].slice(Math.max(0, at - 80), at + 160)}`);
}
console.log(`${queries.length} searches answered as if ${nhidden} resources were not there (${refused} refused alike)`);

// ---- each leg left out must be noticed
const some = (_, i) => i < directed || i % 4 === 0, sample = queries.filter(some), expected = want.filter(some);
const left = await Promise.all([0, 1].map(async (k) => {
	const found = [];
	for (let leg = k; leg < legs.length; leg += 2) {
		const answers = (await ask(whole, `${restricted}SET hide.leave_out = ${1 << leg};\n`, sample)).map(exact);
		found.push([legs[leg], answers.filter((a, i) => a !== expected[i]).length]);
	}
	return found;
}));
for (const [leg, n] of left.flat()) ok(n > 0, `${leg} left out shows in ${n} answers`);
console.log('left out: ' + left.flat().map(([leg, n]) => `${leg} shows in ${n}`).join(', '));
if (!process.env.FHIR_ORACLE_KEEP) for (const d of [whole, visible]) psql(`DROP DATABASE ${d}`, 'postgres');
console.log(`seed ${seed}`);
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed ? 1 : 0);
