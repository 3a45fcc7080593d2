// generate.mjs: the oracle's data, and random criteria made of values that stand in it. The same seed and data give the same queries.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const data = process.env.FHIR_SHARED_DATA ?? join(root, '../shared/data');
export const npm = process.env.FHIR_NPM ?? join(root, 'node_modules');
export const seed = Number(process.env.FHIR_ORACLE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const patients = Number(process.env.FHIR_ORACLE_PATIENTS ?? 6);
export const db = process.env.FHIR_ORACLE_DB ?? 'fhir_oracle';

let state = seed >>> 0; // mulberry32
export const rnd = () => {
	state = (state + 0x6d2b79f5) >>> 0;
	let t = state;
	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
export const int = (n) => Math.floor(rnd() * n);
export const pick = (a) => a[int(a.length)];
export const chance = (p) => rnd() < p;

export const psql = (sql, d = db) => execFileSync('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', d], { input: sql, maxBuffer: 1 << 30 }).toString();
export const lit = (s) => `'${s.replaceAll("'", "''")}'`;

// ---- data: some Synthea patients, HL7's examples, documents with odd values
export function load() {
	psql(`SET client_min_messages = warning;\nDROP DATABASE IF EXISTS ${db}`, 'postgres');
	psql(`CREATE DATABASE ${db}`, 'postgres');
	psql('SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE');
	let loaded = 0;
	const failures = [];
	const batch = (sqls) => {
		// a document that is refused is told and left out
		const text = sqls.map(([what, sql]) => `DO $do$ BEGIN PERFORM ${sql}; EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', ${lit(what)} || ': ' || SQLERRM; END $do$;`).join('\n');
		const dir = mkdtempSync(join(tmpdir(), 'oracle-'));
		writeFileSync(join(dir, 'f.sql'), text);
		const err = execFileSync('sh', ['-c', `psql -XqAt -d ${db} -f ${join(dir, 'f.sql')} 2>&1 >/dev/null`], { maxBuffer: 1 << 28 }).toString();
		rmSync(dir, { recursive: true });
		failures.push(...err.split('\n').filter((l) => l.includes('WARNING') || l.includes('ERROR')));
		loaded += sqls.length;
	};
	const tar = join(data, `synthea/${process.env.FHIR_ORACLE_DATA ?? 'synthea-30'}.tar.gz`);
	if (existsSync(tar)) {
		const dir = mkdtempSync(join(tmpdir(), 'oracle-'));
		execFileSync('tar', ['-xzf', tar, '-C', dir]);
		const files = readdirSync(dir, { recursive: true }).filter((f) => f.endsWith('.json')).map((f) => readFileSync(join(dir, f), 'utf8'))
			.filter((t) => /"resourceType": *"Bundle"/.test(t.slice(0, 200))).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
		batch(files.slice(0, patients).map((t, i) => [`Synthea ${i}`, `fhir_transaction(${lit(t)})`]));
		rmSync(dir, { recursive: true });
	} else console.log('skipped: no Synthea data');
	const examples = join(npm, 'hl7.fhir.r4.examples');
	if (existsSync(examples)) {
		const list = readdirSync(examples, { recursive: true }).filter((f) => f.endsWith('.json')).sort();
		const sqls = [];
		for (const f of list) {
			let r;
			try { r = JSON.parse(readFileSync(join(examples, f), 'utf8')); } catch { continue; }
			if (!r.resourceType || !r.id || ['StructureDefinition', 'ValueSet', 'CodeSystem', 'SearchParameter', 'OperationDefinition', 'Bundle', 'ConceptMap'].includes(r.resourceType)) continue;
			sqls.push([f, `fhir_update(${lit(readFileSync(join(examples, f), 'utf8'))})`]);
		}
		batch(sqls);
	} else console.log('skipped: no hl7.fhir.r4.examples');
	// a document a line, taken as text: its digits shall stay
	const odd = readFileSync(join(root, 'test/oracle/odd.json'), 'utf8').split('\n').filter((l) => l.startsWith('{')).map((l) => l.replace(/,$/, ''));
	batch(odd.map((r) => [r.slice(0, 60), `fhir_update(${lit(r)})`]));
	if (failures.length) console.log(`${failures.length} documents were refused; the first:\n  ${failures.slice(0, 5).join('\n  ')}`);
	for (const f of ['oracle.sql', 'laws.sql']) psql(readFileSync(join(root, 'test/oracle', f), 'utf8'));
	psql('SELECT oracle.fill();\nSELECT oracle.fill_refs();\nSELECT oracle.fill_vals();\nVACUUM ANALYZE;');
	return loaded;
}

// ---- values
export const esc = (s) => String(s).replace(/[\\,|$]/g, (c) => '\\' + c);
const fraction = (x) => (x.match(/\.(\d+)/)?.[1] ?? '').length;

function tokens(v) { // {system, code} of an element
	if (v == null) return [];
	if (typeof v !== 'object') return [{ code: String(v) }];
	if (Array.isArray(v.coding)) return v.coding.filter((c) => c.code || c.system);
	if ('coding' in v || ('text' in v && !('value' in v))) return [];
	if (v.value !== undefined && typeof v.value === 'string') return v.use && chance(0.3) ? [{ code: v.value, contact: true }] : [{ system: v.system && /^[a-z]+:/.test(v.system) ? v.system : undefined, code: v.value }];
	if (v.code !== undefined || v.system !== undefined) return [v];
	return [];
}
function tokenValue(v) {
	const t = tokens(v);
	if (!t.length) return chance(0.5) ? 'nosuch' : null;
	const { system, code, contact } = pick(t);
	const forms = code !== undefined ? [esc(code)] : [];
	if (code !== undefined && system) forms.push(`${esc(system)}|${esc(code)}`, `${esc(system)}|${esc(code)}`);
	if (system) forms.push(`${esc(system)}|`);
	if (code !== undefined && !contact && typeof v === 'object') forms.push(`|${esc(code)}`);
	if (system) forms.push(`${esc(system)}x|${esc(code ?? 'x')}`);
	return forms.length ? pick(forms) : null;
}
// R4's value sets by the systems that they draw on; those of odd.json
const valueSets = new Map([['', ['http://example.org/fhir/ValueSet/odd-in', 'http://example.org/fhir/ValueSet/odd-filter', 'ValueSet/odd-import', 'http://example.org/fhir/ValueSet/none']]]);
for (const f of existsSync(join(npm, 'hl7.fhir.r4.examples')) ? readdirSync(join(npm, 'hl7.fhir.r4.examples')).sort() : []) {
	if (!f.startsWith('ValueSet-')) continue;
	const vs = JSON.parse(readFileSync(join(npm, 'hl7.fhir.r4.examples', f), 'utf8'));
	for (const s of new Set((vs.compose?.include ?? []).map((i) => i.system ?? ''))) valueSets.set(s, [...(valueSets.get(s) ?? []), vs.url]);
}
const valueSet = (v) => pick((chance(0.7) && valueSets.get(tokens(v)[0]?.system)) || valueSets.get(pick([...valueSets.keys()])));
const hierarchy = (v) => tokens(v).filter((t) => t.system && t.code !== undefined).map((t) => `${esc(t.system)}|${esc(t.code)}`)[0] ?? null;
function tokenText(v) {
	if (v == null || typeof v !== 'object') return null;
	const t = [v.text, v.display, ...(v.coding ?? []).map((c) => c.display), v.type?.text].filter((x) => typeof x === 'string' && x.trim());
	return t.length ? esc(piece(pick(t), chance(0.5))) : 'nosuch';
}
export function piece(s, prefix) { // a part of a text, sometimes in another case
	const cs = [...s];
	const from = prefix ? 0 : int(cs.length);
	let p = cs.slice(from, from + 1 + int(Math.min(cs.length - from, 24))).join('').trim();
	if (!p) p = s.trim();
	return chance(0.3) ? p.toUpperCase() : chance(0.3) ? p.toLowerCase() : p;
}
function texts(v) {
	if (typeof v === 'string') return [v];
	if (v == null || typeof v !== 'object') return [];
	return ['family', 'given', 'prefix', 'suffix', 'text', 'line', 'city', 'district', 'state', 'postalCode', 'country'].flatMap((k) => v[k] ?? []).filter((x) => typeof x === 'string');
}
const datePrefixes = ['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];
function dateValue(v) {
	const all = [];
	if (typeof v === 'string') all.push(v);
	else if (v && typeof v === 'object') all.push(v.start, v.end, ...(v.event ?? []), v.repeat?.boundsPeriod?.start, v.repeat?.boundsPeriod?.end);
	let d = pick(all.filter((x) => typeof x === 'string' && /^\d{4}/.test(x)).concat(chance(0.1) ? ['2015-06'] : []));
	if (!d) d = pick(['2015', '2019-02', '2020-01-01', '1970-01-01T00:00:00Z']);
	if (chance(0.6)) {
		const cut = pick([4, 7, 10, 16, 19]);
		if (d.length > cut) {
			const zone = cut > 10 ? (d.match(/(Z|[+-]\d\d:\d\d)$/)?.[0] ?? '') : '';
			d = d.slice(0, cut) + zone;
		}
	}
	if (chance(0.15)) d = d.replace(/^\d{4}/, (y) => String(Number(y) + pick([-1, 1])).padStart(4, '0'));
	return pick(datePrefixes) + d;
}
const numberPrefixes = ['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];
function numberText(n) {
	// stored numbers are indexed by 16 significant digits: what has more is asked for from afar
	let s = String(n).replace(/[-.]/g, '').replace(/^0+/, '').length > 15 ? String(Number((Number(n) * pick([0.5, 2])).toPrecision(12))) : String(n);
	if (/e/i.test(s)) return s;
	const r = rnd();
	if (r < 0.25 && fraction(s)) s = s.slice(0, -1).replace(/\.$/, ''); // fewer digits: a wider range
	else if (r < 0.35) s = s.includes('.') ? s + '0' : s + '.0';
	else if (r < 0.45) s = String(Number(s) + pick([-1, 1, 0.5]));
	else if (r < 0.5) s = Number(s).toExponential(1).replace('+', '');
	return s;
}
function numberValue(v) {
	if (typeof v !== 'number') v = pick([0, 1, 100, 0.5]);
	return pick(numberPrefixes) + numberText(v);
}
const ucumPairs = { g: ['kg', 'mg'], kg: ['g'], mg: ['g', 'ug'], cm: ['m', 'mm'], 'mg/dL': ['g/L', 'g/dL'], 'mm[Hg]': ['kPa'], mL: ['L'], L: ['mL'], '%': ['1'], d: ['h'], h: ['min'], min: ['s'], a: ['mo'] };
function quantityValue(v) {
	let q = v && typeof v === 'object' ? (v.low ?? v.high ?? v) : { value: 10 };
	if (chance(0.2) && v?.high) q = v.high;
	const n = pick(numberPrefixes) + numberText(q.value ?? 1);
	const r = rnd();
	const system = q.system ?? (q.currency ? 'urn:iso:std:iso:4217' : undefined);
	const code = q.code ?? q.currency;
	if (r < 0.35 || (!code && !q.unit)) return n;
	if (r < 0.65 && system && code) return `${n}|${esc(system)}|${esc(code)}`;
	if (r < 0.75 && system === 'http://unitsofmeasure.org' && ucumPairs[code]) return `${n}|${system}|${pick(ucumPairs[code])}`;
	if (r < 0.95) return `${n}||${esc(code && chance(0.6) ? code : (q.unit ?? code))}`;
	return `${n}|http://example.org/units|${esc(code ?? 'x')}`;
}
function referenceValue(v, targets) {
	const ref = typeof v === 'string' ? v : v?.reference;
	if (!ref) return chance(0.5) ? 'Patient/none' : null;
	const m = ref.match(/^([A-Z]\w+)\/([A-Za-z0-9.-]{1,64})(\/_history\/(\w+))?$/);
	if (!m) return esc(ref.replace(/\|.*$/, chance(0.5) ? '' : (x) => x));
	const r = rnd();
	if (r < 0.3) return m[2];
	if (r < 0.8) return `${m[1]}/${m[2]}`;
	if (r < 0.9) return `${pick(['Patient', 'Group', 'Device', m[1]])}/${m[2]}`;
	return m[3] ? ref : `${m[1]}/${m[2]}x`;
}
function uriValue(v) {
	if (typeof v !== 'string') return 'http://example.org/none';
	return esc(chance(0.85) ? v : v + 'x');
}

function wordsValue(v) { // words of a text, cut, in another order, with what stands between them
	if (typeof v !== 'string') return 'nosuch';
	const ws = (chance(0.9) ? v.replace(/<[^>]*>/g, ' ') : v).split(/\s+/).filter(Boolean);
	if (!ws.length) return null;
	const some = [];
	for (let n = pick([1, 1, 1, 2, 3]); n > 0; n--) {
		let w = pick(ws);
		if (chance(0.3)) w = pick(w.split(/[^\p{L}\p{N}]+/u).filter(Boolean).concat('x'));
		w = [...w];
		if (chance(0.1)) w = w.slice(int(w.length));
		if (chance(0.4)) w = w.slice(0, 1 + int(w.length));
		some.push(w.slice(0, 100).join(''));
	}
	const s = some.join(' ');
	return esc(chance(0.2) ? s.toUpperCase() : s);
}

// ---- one criterion
export function criterion(p) {
	const many = (f) => {
		const n = chance(0.25) ? 2 + int(3) : 1;
		const vs = [];
		for (let i = 0; i < n; i++) {
			const v = f(p.values.length ? pick(p.values) : null);
			if (v) vs.push(v);
		}
		return vs.length ? vs.join(',') : null;
	};
	if (p.kind !== 'words' && chance(0.05)) return [`${p.code}:missing`, pick(['true', 'false'])];
	switch (p.kind) {
		case 'token': {
			const r = rnd();
			if (r < 0.12) return [`${p.code}:not`, many(tokenValue)];
			if (r < 0.2) return [`${p.code}:text`, many(tokenText)];
			if (r > 0.9 && p.code !== '_id') return [`${p.code}:${pick(['in', 'not-in'])}`, many((v) => esc(valueSet(v)))];
			if (r > 0.84 && p.code !== '_id') return [`${p.code}:${pick(['below', 'above'])}`, many(hierarchy)];
			const typed = p.values.filter((v) => v?.type?.coding?.[0]?.code && v.type.coding[0].system && typeof v.value === 'string');
			if (r < 0.3 && typed.length) {
				const v = pick(typed);
				return [`${p.code}:of-type`, `${esc(v.type.coding[0].system)}|${esc(v.type.coding[0].code)}|${esc(chance(0.8) ? v.value : v.value + 'x')}`];
			}
			return [p.code, many(tokenValue)];
		}
		case 'string': {
			const r = rnd();
			const f = (mode) => (v) => {
				const t = texts(v).filter((x) => x.trim());
				if (!t.length) return 'nosuch';
				const s = pick(t);
				return esc(mode === 'exact' ? (chance(0.8) ? s : piece(s, true)) : piece(s, mode === 'prefix'));
			};
			if (r < 0.2) return [`${p.code}:exact`, many(f('exact'))];
			if (r < 0.45) return [`${p.code}:contains`, many(f('contains'))];
			return [p.code, many(f('prefix'))];
		}
		case 'date': return [p.code, many(dateValue)];
		case 'number': return [p.code, many(numberValue)];
		case 'quantity': return [p.code, many(quantityValue)];
		case 'uri': return [p.code + (pick(['', '', '', '', ':below', ':above'])), many(uriValue)];
		case 'reference': {
			const r = rnd();
			const logical = p.values.filter((v) => v?.identifier?.value);
			if (logical.length && r < 0.4) {
				const i = pick(logical).identifier;
				return [`${p.code}:identifier`, tokenValue(i)];
			}
			const local = p.values.map((v) => (typeof v === 'object' ? v?.reference?.match(/^([A-Z]\w+)\/([A-Za-z0-9.-]+)$/) : null)).filter(Boolean);
			if (local.length && r < 0.55) {
				const m = pick(local);
				return [`${p.code}:${chance(0.85) ? m[1] : pick(p.targets?.length ? p.targets : ['Patient'])}`, m[2]];
			}
			return [p.code, many((v) => referenceValue(v, p.targets))];
		}
		case 'words': return [p.code, many(wordsValue)];
		case 'composite': return composite(p);
		default: return null;
	}
}
// the parts' kinds, by what the parameter is called
function composite(p) {
	const parts = compositeParts[p.code];
	if (!parts || !p.values.length) return null;
	const base = pick(p.values);
	const vs = parts.map(([kind, get]) => {
		const v = get(base);
		return kind === 'token' ? tokenValue(v) : kind === 'quantity' ? quantityValue(v) : kind === 'date' ? dateValue(v) : kind === 'string' ? 'a' : referenceValue(v);
	});
	return vs.every(Boolean) ? [p.code, vs.join('$')] : null;
}
const code = (o) => o.code;
const compositeParts = {
	'code-value-quantity': [['token', code], ['quantity', (o) => o.valueQuantity]],
	'code-value-concept': [['token', code], ['token', (o) => o.valueCodeableConcept]],
	'code-value-date': [['token', code], ['date', (o) => o.valueDateTime ?? o.valuePeriod]],
	'combo-code-value-quantity': [['token', code], ['quantity', (o) => o.valueQuantity ?? o.component?.[0]?.valueQuantity]],
	'combo-code-value-concept': [['token', code], ['token', (o) => o.valueCodeableConcept]],
	'component-code-value-quantity': [['token', code], ['quantity', (o) => o.valueQuantity]],
	'component-code-value-concept': [['token', code], ['token', (o) => o.valueCodeableConcept]],
	'characteristic-value': [['token', code], ['token', (o) => o.valueCodeableConcept ?? o.valueBoolean]],
	relationship: [['reference', (o) => o.target ?? o.targetReference], ['token', (o) => o.code]],
	'context-type-quantity': [['token', code], ['quantity', (o) => o.valueQuantity ?? o.valueRange]],
	'context-type-value': [['token', code], ['token', (o) => o.valueCodeableConcept]],
};

// ---- what is there: types with their parameters and sampled values, and who refers to whom
export let types, model, wheel, edges;
export function survey() {
	types = psql("SELECT type || ' ' || count(*) FROM oracle.docs GROUP BY type ORDER BY type").trim().split('\n').map((l) => l.split(' '));
	model = new Map();
	const kinds = process.env.FHIR_ORACLE_KINDS?.split(','); // only parameters of these kinds: token, words ...
	for (const [t] of types) {
		const rows = psql(`SELECT jsonb_build_array(code, kind, targets, v) FROM oracle.samples(${lit(t)}, ${seed % 1000})`).trim().split('\n').map((l) => JSON.parse(l));
		const params = new Map();
		for (const [c, kind, targets, v] of rows) {
			if (kind === 'words' || !params.has(c)) params.set(c, { code: c, kind, targets, values: params.get(c)?.values ?? [] });
			if (v !== null) params.get(c).values.push(v);
		}
		model.set(t, [...params.values()].filter((p) => p.kind !== 'special' && (kinds?.includes(p.kind) ?? true) && (p.kind === 'words' || !['_text', '_content', '_list', '_query', '_filter', '_type'].includes(p.code))));
	}
	// types with many documents more often, but every type its share
	const only = process.env.FHIR_ORACLE_TYPES?.split(',');
	wheel = types.filter(([t]) => only?.includes(t) ?? true).flatMap(([t, n]) => Array(Math.ceil(1 + Math.log2(Number(n)))).fill(t));
	// who refers to whom: [type, code, target type]
	edges = psql("SELECT jsonb_build_array(type, code, target_type, bool_and(canonical)) FROM oracle.refs GROUP BY type, code, target_type ORDER BY type, code, target_type").trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));
}
export const simple = (t) => {
	const filled = model.get(t)?.filter((p) => p.values.length);
	const c = filled?.length ? criterion(pick(filled)) : null;
	return c && c[1] ? c : null;
};
export function join2(t, depth = 2) { // a chain from t, or a _has on t
	const out = edges.filter((e) => e[0] === t), into = edges.filter((e) => e[2] === t);
	const nested = (x) => (depth > 1 && chance(0.3) ? join2(x, depth - 1) : simple(x));
	if (into.length && (chance(0.5) || !out.length)) {
		const [from, code] = pick(into);
		const c = nested(from);
		return c && [`_has:${from}:${code}:${c[0]}`, c[1]];
	}
	if (!out.length) return null;
	const [, code, target] = pick(out);
	const c = nested(target);
	return c && [`${code}:${target}.${c[0]}`, c[1]];
}
