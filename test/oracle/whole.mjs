// whole.mjs: whole searches: order, pages, totals, includes, result controls, compartments, _list, _filter, near. What they should answer is
// computed here from the documents and from what the published expressions find in them; nothing of the search is used.
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { chance, criterion, edges, int, join2, model, npm, pick, psql, rnd, simple, wheel } from './generate.mjs';
import { define, defined, namesOf, score, shown } from './shape.mjs';

export const docs = new Map(), byType = new Map();
const values = new Map(), from = new Map(), to = new Map(), around = new Map(), toAround = [], within = new Map(), compartments = new Map();
const push = (map, key, v) => (map.get(key) ?? map.set(key, []).get(key)).push(v);
const lines = (sql) => psql(sql).split('\n').filter(Boolean).map((l) => JSON.parse(l));

export function study() {
	for (const d of lines('SELECT doc FROM oracle.docs')) {
		docs.set(`${d.resourceType}/${d.id}`, d);
		push(byType, d.resourceType, d.id);
	}
	for (const [t, id, code, v] of lines('SELECT jsonb_build_array(type, id, code, v) FROM oracle.vals')) push(values, `${t}/${id} ${code}`, v);
	for (const [t, id, code, tt, ti, canonical] of lines('SELECT jsonb_build_array(type, id, code, target_type, target_id, canonical) FROM oracle.refs')) {
		push(from, `${t}/${id}`, { code, other: `${tt}/${ti}`, canonical });
		push(to, `${tt}/${ti}`, { code, other: `${t}/${id}` });
	}
	// orders among contained resources go through them, too: "Type/Container/id#contained"
	for (const [t, id, code, tt, ti] of lines('SELECT jsonb_build_array(type, id, code, container_type, container_id) FROM oracle.around')) { push(around, `${t}/${id}`, { code, other: `${tt}/${ti}` }); if (!toAround.some((e) => e[0] === t && e[1] === code && e[2] === tt)) toAround.push([t, code, tt]); }
	for (const [t, id, doc] of lines('SELECT jsonb_build_array(type, id, doc) FROM oracle.inside')) within.set(`${t}/${id}`, doc);
	const dir = join(npm, 'hl7.fhir.r4.examples');
	for (const c of existsSync(dir) ? ['patient', 'encounter', 'practitioner', 'device', 'relatedPerson'] : []) {
		const d = JSON.parse(readFileSync(join(dir, `CompartmentDefinition-${c}.json`), 'utf8'));
		for (const r of d.resource) if (r.param) compartments.set(`${d.code} ${r.code}`, r.param);
	}
	define();
}

// ---- order
const PLAIN = { æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', ħ: 'h', ı: 'i', ł: 'l', ŧ: 't', þ: 'th', ß: 'ss' };
const fold = (s) => [...s.normalize('NFKD').replace(/\p{Default_Ignorable_Code_Point}|[\u0300-\u036f]/gu, '').toUpperCase().toLowerCase().replaceAll('ς', 'σ')].map((c) => PLAIN[c] ?? c)
	.join('').replace(/\s+/gu, ' ').trim();
const instant = (s) => { // start of a date, microseconds
	const m = typeof s === 'string' && s.match(/^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/);
	if (!m) return null;
	const d = new Date(0);
	d.setUTCFullYear(+m[1], +(m[2] ?? 1) - 1, +(m[3] ?? 1));
	d.setUTCHours(+(m[4] ?? 0), +(m[5] ?? 0), +(m[6] ?? 0));
	const zone = m[8] && m[8] !== 'Z' ? (m[8][0] === '-' ? -1 : 1) * (60 * +m[8].slice(1, 3) + +m[8].slice(4, 6)) : 0;
	return d.getTime() * 1000 - zone * 60e6 + +((m[7] ?? '') + '000000').slice(0, 6);
};
const begins = (v) => {
	if (typeof v === 'string') return instant(v);
	if (v == null || typeof v !== 'object') return null;
	if (v.event || v.repeat) {
		const p = v.repeat?.boundsPeriod, all = (v.event ?? []).map(instant).filter((x) => x !== null);
		if (p && (instant(p.start) ?? instant(p.end)) !== null) all.push(instant(p.start) ?? -Infinity);
		return all.length ? Math.min(...all) : null;
	}
	return instant(v.start) ?? (instant(v.end) !== null ? -Infinity : null);
};
const amount = (kind) => (v) => {
	if (typeof v === 'number') return v;
	if (v == null || typeof v !== 'object' || (kind !== 'quantity' && !v.low && !v.high)) return null;
	if (typeof v.data === 'string') { // SampledData: the least of its points; below the limit it is open
		if (typeof v.origin?.value !== 'number') return null;
		const points = v.data.split(' '), numbers = points.filter((x) => /^[-+]?\d/.test(x)).map((x) => Number(x) * (v.factor ?? 1) + v.origin.value);
		const below = points.includes((v.factor ?? 1) >= 0 ? 'L' : 'U'), beyond = below || points.includes('L') || points.includes('U');
		return below || (!numbers.length && beyond) ? -Infinity : numbers.length ? Math.min(...numbers) : null;
	}
	if (v.low || v.high) return typeof v.low?.value === 'number' ? v.low.value : typeof v.high?.value === 'number' ? -Infinity : null;
	return typeof v.value !== 'number' ? null : v.comparator?.startsWith('<') ? -Infinity : v.value;
};
const parts = ['family', 'given', 'prefix', 'suffix', 'text', 'line', 'city', 'district', 'state', 'postalCode', 'country'];
const strings = (v) => (typeof v === 'string' ? [v] : v && typeof v === 'object' && !('system' in v) ? parts.flatMap((k) => v[k] ?? []).filter((x) => typeof x === 'string') : [])
	.map((s) => [...fold(s)].slice(0, 100).join('')).filter(Boolean);
const texts = (v) => (typeof v === 'string' ? [v] : v && typeof v === 'object' && !('system' in v) ? parts.flatMap((k) => v[k] ?? []).filter((x) => typeof x === 'string') : []).map(fold);
const plain = (v) => (typeof v === 'string' ? [v] : typeof v === 'boolean' ? [String(v)] : v && typeof v === 'object'
	? [v.code, v.value, v.reference, ...(Array.isArray(v.coding) ? v.coding.map((c) => c.code) : [])].filter((x) => typeof x === 'string') : []);
const bytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const compare = (a, b) => (typeof a === 'string' ? bytes(a, b) : a < b ? -1 : a > b ? 1 : 0);

const scores = new Map();
function fits(name, texts) {
	const key = `${name} ${JSON.stringify(texts)}`;
	if (!scores.has(key)) scores.set(key, score(docs.get(name), texts, fold));
	return scores.get(key);
}
const cut = (name) => [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)];
const container = (name) => cut(name)[1].split('#')[0]; // of a contained resource
// inside: references "#id" are followed, as among contained resources
function sortValue(name, { code, kind, descending, chain, texts }, inside, end) {
	const [t, id] = cut(name), contained = within.has(name);
	if (chain) { // the least or greatest of what it refers to there
		const [via, type, rest] = chain, refers = [...(from.get(name) ?? []), ...(inside ? around.get(name) ?? [] : [])];
		const there = refers.filter((r) => r.code === via && r.other.startsWith(type + '/') && (docs.has(r.other) || (inside && within.has(r.other))))
			// what is in the store is sorted as any other resource
			.map((r) => sortValue(r.other, { ...rest, descending }, inside && (within.has(r.other) || r.other === container(name)), true)).filter((x) => x !== null).sort(compare);
		return there.length ? there[descending ? there.length - 1 : 0] : null;
	}
	if (code === '_score') return fits(name, texts);
	// contained matches have those of their container; at the end of a chain an id of their own, and no date
	if (code === '_id') return !contained ? id : end ? id.split('#')[1] : container(name).split('/')[1];
	if (code === '_lastUpdated') return contained && end ? null : instant(docs.get(contained ? container(name) : name).meta.lastUpdated);
	const vs = values.get(`${t}/${id} ${code}`) ?? [];
	const all = kind === 'date' ? vs.map(begins) : kind === 'number' || kind === 'quantity' ? vs.map(amount(kind)) : kind === 'string' ? vs.flatMap(strings) : vs.flatMap(plain);
	const there = all.filter((x) => x !== null).sort(compare);
	return there.length ? there[descending ? there.length - 1 : 0] : null;
}
/** keyed: [{ name, keys }]; of equal ones those of the first type, id and part. */
function byKeys(keyed, sorts) {
	return keyed.sort((a, b) => {
		for (let i = 0; i < sorts.length; i++) {
			const x = a.keys[i], y = b.keys[i];
			const c = x === null || y === null ? (x === null) - (y === null) : sorts[i].descending ? compare(y, x) : compare(x, y);
			if (c) return c;
		}
		const [at, ai] = a.name.split('/'), [bt, bi] = b.name.split('/');
		return bytes(at, bt) || bytes(ai.split('#')[0], bi.split('#')[0]) || (a.part ?? 0) - (b.part ?? 0);
	});
}
const inOrder = (names, sorts) => byKeys(names.map((name) => ({ name, keys: sorts.map((s) => sortValue(name, s)) })), sorts).map((k) => k.name);

// ---- includes: from the page's matches; those with :iterate from everything
function included(matches, incs) {
	const seen = new Set(matches), out = new Set();
	const step = (name, first) => {
		const [type] = name.split('/');
		const found = [];
		for (const i of incs) {
			if (!first && !i.iterate) continue;
			if (i.reverse) {
				if (i.target && i.target !== type) continue;
				for (const r of to.get(name) ?? []) if ((!i.source || r.other.startsWith(i.source + '/')) && (!i.code || i.code === r.code)) found.push(r.other);
			} else if (!i.source || i.source === type)
				for (const r of from.get(name) ?? []) if ((!i.code || i.code === r.code) && (!i.target || r.other.startsWith(i.target + '/'))) found.push(r.other);
		}
		return found.filter((x) => docs.has(x));
	};
	let round = matches, first = true;
	while (round.length) {
		const next = [];
		for (const name of round) for (const f of step(name, first)) if (!seen.has(f)) { seen.add(f); out.add(f); next.push(f); }
		round = next;
		first = false;
	}
	return [...out].sort((a, b) => { const [x, i] = a.split('/'), [y, j] = b.split('/'); return bytes(x, y) || bytes(i, j); });
}

// ---- a random whole search
const sortable = (t) => model.get(t).filter((p) => !['composite', 'special', 'words'].includes(p.kind));
function chained(out, depth) {
	const [, via, type] = pick(out), next = edges.filter((e) => e[0] === type && model.has(e[2]));
	if (depth > 1 && next.length && chance(0.25)) {
		const c = chained(next, depth - 1);
		return c && { code: `${via}:${type}.${c.code}`, chain: [via, type, c] };
	}
	const filled = sortable(type).filter((p) => p.values.length), p = filled.length ? pick(filled) : null;
	return p && { code: `${via}:${type}.${p.code}`, chain: [via, type, { code: p.code, kind: p.kind }] };
}
function randomSort(ts, far = 0.15, more = []) {
	const common = sortable(ts[0]).filter((p) => ts.every((t) => sortable(t).some((x) => x.code === p.code && x.kind === p.kind)));
	const filled = common.filter((p) => p.values.length);
	const sorts = [], n = pick([1, 1, 1, 2, 2, 3]);
	for (let i = 0; i < n; i++) {
		const out = ts.length === 1 && chance(far) ? [...edges, ...more].filter((e) => e[0] === ts[0] && model.has(e[2])) : [];
		if (out.length) {
			const c = chained(out, 2);
			if (c && !sorts.some((s) => s.code === c.code)) sorts.push({ ...c, descending: chance(0.5) });
			continue;
		}
		const p = chance(0.12) ? pick([{ code: '_id' }, { code: '_lastUpdated' }]) : pick(filled.length && chance(0.9) ? filled : common);
		if (!sorts.some((s) => s.code === p.code)) sorts.push({ code: p.code, kind: p.kind, descending: chance(0.5) });
	}
	return sorts;
}
/** Some order, as text. */
export const randomOrder = (ts) => randomSort(ts).map((s) => (s.descending ? '-' : '') + s.code).join(',');
function randomIncludes(ts) {
	const incs = [], n = pick([1, 1, 2, 3]);
	for (let i = 0; i < n; i++) {
		const reverse = chance(0.45), t = i > 0 && chance(0.4) ? pick(wheel) : pick(ts);
		const iterate = chance(i > 0 ? 0.5 : 0.2);
		const around = edges.filter((e) => (reverse ? e[2] === t : e[0] === t));
		if (chance(0.12)) incs.push({ reverse, iterate, text: '*' });
		else if (around.length) {
			const [source, code, target] = pick(around), typed = chance(0.3), star = chance(0.15);
			incs.push({ reverse, iterate, source, code: star ? null : code, target: typed ? target : null, text: `${source}:${star ? '*' : code}${typed ? ':' + target : ''}` });
		}
	}
	return incs;
}
// _filter: a boolean tree of comparisons, as text and as a tree of criteria
function randomFilter(t, depth) {
	const r = rnd();
	if (depth > 0 && r < 0.5) {
		const a = randomFilter(t, depth - 1), b = randomFilter(t, depth - 1), op = pick(['and', 'or']);
		return a && b && { text: `(${a.text}) ${op} (${b.text})`, tree: { [op]: [a.tree, b.tree] } };
	}
	if (depth > 0 && r < 0.65) {
		const a = randomFilter(t, depth - 1);
		return a && { text: `not (${a.text})`, tree: { not: a.tree } };
	}
	const out = edges.filter((e) => e[0] === t && !e[3] && model.has(e[2]) && edges.filter((f) => f[0] === t && f[1] === e[1]).length === 1);
	if (out.length && chance(0.2)) { // a chained path
		const [, via, target] = pick(out), there = model.get(target).filter((x) => x.kind === 'token' && x.values.length && x.code !== '_id');
		const c = there.length ? criterion({ ...pick(there) }) : null;
		if (c?.[1] && !c[0].includes(':') && !/[,\\"\s()[\]$]/.test(c[1])) return { text: `${via}.${c[0]} eq ${c[1]}`, tree: { q: `${via}:${target}.${c[0]}=${encodeURIComponent(c[1])}` } };
	}
	const p = pick(model.get(t).filter((x) => ['token', 'string', 'date', 'number', 'quantity'].includes(x.kind) && x.values.length && x.code !== '_id'));
	if (!p) return null;
	if (chance(0.1)) { const b = pick(['true', 'false']); return { text: `${p.code} pr ${b}`, tree: { q: `${p.code}:missing=${b === 'true' ? 'false' : 'true'}` } }; }
	const c = criterion({ ...p, values: [pick(p.values)] });
	if (!c || !c[1] || /[,\\"\s()[\]$]/.test(c[1])) return null;
	const modifier = c[0].split(':')[1], q = `${c[0]}=${encodeURIComponent(c[1])}`;
	if (p.kind === 'string') {
		const op = { exact: 'eq', contains: 'co', undefined: 'sw' }[modifier];
		if (op === 'sw' && chance(0.4)) { // what R4 has no parameter for: by the folded texts
			const want = fold(c[1]), [name, test] = pick([['eq', (s) => s === want], ['ew', (s) => s.endsWith(want)], ['gt', (s) => bytes(s, want) > 0], ['le', (s) => bytes(s, want) <= 0]]);
			return want && want.length < 60 ? { text: `${p.code} ${name} "${c[1]}"`, tree: { ids: (byType.get(t) ?? []).filter((id) => (values.get(`${t}/${id} ${p.code}`) ?? []).some((v) => texts(v).some(test))) } } : null;
		}
		return op && op !== 'eq' ? { text: `${p.code} ${op} "${c[1]}"`, tree: { q } } : null;
	}
	if (p.kind === 'token') {
		if (modifier) return { in: 1, 'not-in': 1, below: 1, above: 1 }[modifier] ? { text: `${p.code} ${{ in: 'in', 'not-in': 'ni', below: 'ss', above: 'sb' }[modifier]} ${c[1]}`, tree: { q } } : null;
		// some value is unequal: simple where no document has two
		const single = (byType.get(t) ?? []).every((id) => (values.get(`${t}/${id} ${p.code}`) ?? []).length < 2);
		return single && chance(0.3) ? { text: `${p.code} ne ${c[1]}`, tree: { and: [{ q: `${p.code}:missing=false` }, { not: { q } }] } } : { text: `${p.code} eq ${c[1]}`, tree: { q } };
	}
	const m = modifier ? null : c[1].match(/^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s);
	if (!m) return null;
	return { text: `${p.code} ${m[1] ?? 'eq'} ${m[2]}`, tree: { q } };
}
const units = { km: 1000, m: 1, '[mi_i]': 1609.344 };
function randomNear() {
	const places = (byType.get('Location') ?? []).map((id) => docs.get(`Location/${id}`)).filter((d) => typeof d.position?.latitude === 'number' && typeof d.position?.longitude === 'number');
	if (!places.length) return null;
	const at = pick(places).position, lat = +(at.latitude + (rnd() - 0.5) * pick([0.01, 0.5, 20])).toFixed(4), lon = +(at.longitude + (rnd() - 0.5) * pick([0.01, 0.5, 20])).toFixed(4);
	if (Math.abs(lat) > 90 || Math.abs(lon) > 180) return null;
	const unit = pick(Object.keys(units)), distance = pick([1, 5, 20, 100, 1000, 9000]), limit = distance * units[unit], rad = Math.PI / 180;
	const far = (p) => { // spherical law of cosines would be too coarse for small distances
		const a = Math.sin((p.latitude - lat) * rad / 2) ** 2 + Math.cos(lat * rad) * Math.cos(p.latitude * rad) * Math.sin((p.longitude - lon) * rad / 2) ** 2;
		return 2 * 6371008.8 * Math.asin(Math.min(1, Math.sqrt(a)));
	};
	if (places.some((d) => Math.abs(far(d.position) - limit) < 1)) return null;
	return { text: `near=${encodeURIComponent(`${lat}|${lon}|${distance}|${unit}`)}`, ids: places.filter((d) => far(d.position) <= limit).map((d) => d.id) };
}
function listed(t, id) {
	const d = docs.get(`List/${id}`);
	return (d?.entry ?? []).filter((e) => e.deleted !== true).map((e) => e.item?.reference?.match(/^([A-Z]\w+)\/([A-Za-z0-9.-]{1,64})(\/_history\/.*)?$/)).filter((m) => m && m[1] === t).map((m) => m[2]);
}
function compartmentTree(c, t) {
	const ref = `${c.type}/${c.id}`;
	const codes = (compartments.get(`${c.type} ${t}`) ?? []).filter((x) => x !== '{def}');
	const ids = (to.get(ref) ?? []).filter((r) => r.other.startsWith(t + '/') && codes.includes(r.code)).map((r) => r.other.split('/')[1]);
	if (t === c.type) ids.push(c.id);
	return { ids };
}

const wordy = (t) => { const p = pick(model.get(t).filter((x) => x.kind === 'words')); return p ? criterion(p) : null; };
function randomSubset(ts, incs) {
	if (chance(0.5)) return { summary: pick([incs.length ? 'data' : 'text', 'data', 'true', 'true', 'true']) };
	const elements = ts.length === 1 ? namesOf(ts[0]).filter(() => chance(0.1)).map((n) => (chance(0.2) ? `${ts[0]}.${n}` : n)) : [];
	const of = pick([...ts, ...incs.map((i) => i.target ?? i.source)]);
	if (of && chance(0.4)) elements.push(...namesOf(of).filter(() => chance(0.1)).map((n) => `${of}.${n}`));
	return elements.length ? { elements } : null;
}

// what contained resources answer: containers, or they themselves
export function randomContained(inside) {
	const t = pick(inside), cs = Array.from({ length: pick([0, 1, 1, 1, 2]) }, () => (chance(0.1) ? join2(t) : simple(t))).filter((c) => c?.[1] && !c[0].includes('_has:') && !c[0].startsWith('_lastUpdated'));
	const sorts = chance(0.85) ? randomSort([t], 0.4, toAround) : [];
	const both = chance(0.5), alone = chance(0.6), total = pick([null, 'accurate', 'none']), q = cs.map((c) => `${c[0]}=${encodeURIComponent(c[1])}`);
	const pairs = [...q, `_contained=${both ? 'both' : 'true'}`];
	if (alone || chance(0.3)) pairs.push(`_containedType=${alone ? 'contained' : 'container'}`);
	if (sorts.length) pairs.push(`_sort=${sorts.map((s) => (s.descending ? '-' : '') + s.code).join(',')}`);
	if (total) pairs.push(`_total=${total}`);
	return { ts: [t], type: t, path: `/${t}`, q: pairs.join('&'), inside: { both, alone, q: q.join('&') }, tree: { and: [{ q: q.join('&') }] }, sorts, incs: [], total, subset: null, found: [], explain: '',
		sizes: Array.from({ length: 1 + int(4) }, rnd) };
}

export function randomWhole() {
	const r = rnd();
	let ts = [pick(wheel)], comp = null;
	if (r < 0.12) { // system level
		ts = [...new Set([pick(wheel), pick(wheel), pick(wheel)])].sort(bytes);
	} else if (r < 0.24 && compartments.size) {
		const owner = pick(['Patient', 'Patient', 'Encounter', 'Practitioner'].filter((t) => byType.has(t)));
		comp = { type: owner, id: pick(byType.get(owner)) };
		const within = wheel.filter((t) => compartments.has(`${owner} ${t}`));
		ts = [pick(within)];
	}
	const pairs = [], and = [], found = []; // found: criteria on texts
	if (ts.length > 1 && !comp) pairs.push(`_type=${ts.join(',')}`);
	if (comp && chance(0.2)) { // the whole compartment
		ts = [...byType.keys()].filter((x) => compartments.has(`${comp.type} ${x}`) || x === comp.type).sort(bytes);
		and.push({ ids: Object.fromEntries(ts.map((x) => [x, compartmentTree(comp, x).ids])) });
	} else if (comp) and.push(compartmentTree(comp, ts[0]));
	const t = ts[0];
	const n = pick([0, 0, 1, 1, 2]);
	for (let i = 0; i < n; i++) {
		let c = null;
		if (ts.length > 1) {
			const p = pick(model.get(t).filter((x) => x.values.length && ts.every((y) => model.get(y).some((z) => z.code === x.code && z.kind === x.kind))));
			c = p && !['composite'].includes(p.kind) ? criterion(p) : null;
		} else c = chance(0.15) ? join2(t) : chance(0.15) ? wordy(t) : simple(t);
		if (c && c[1]) {
			if (['_text', '_content'].includes(c[0])) found.push(c);
			const q = `${c[0]}=${encodeURIComponent(c[1])}`;
			pairs.push(q);
			and.push({ q });
		}
	}
	if (ts.length === 1 && chance(0.15)) {
		const f = randomFilter(t, 2);
		if (f) { pairs.push(`_filter=${encodeURIComponent(f.text)}`); and.push(f.tree); }
	}
	if (t === 'Location' && ts.length === 1 && chance(0.5)) {
		const near = randomNear();
		if (near) { pairs.push(near.text); and.push({ ids: near.ids }); }
	}
	if (ts.length === 1 && chance(0.05) && byType.has('List')) {
		const id = pick(byType.get('List')), lt = listed(t, id);
		pairs.push(`_list=${id}`);
		and.push({ ids: lt });
	}
	const sorts = chance(0.75) ? randomSort(ts) : [];
	if (found.length && defined() && chance(0.5)) sorts.splice(int(sorts.length + 1), 0, { code: '_score', texts: found, descending: chance(0.7) });
	if (sorts.length) pairs.push(`_sort=${sorts.map((s) => (s.descending ? '-' : '') + s.code).join(',')}`);
	const incs = chance(0.3) ? randomIncludes(ts) : [];
	for (const i of incs) pairs.push(`${i.reverse ? '_revinclude' : '_include'}${i.iterate ? ':iterate' : ''}=${i.text}`);
	const total = pick([null, null, null, 'accurate', 'accurate', 'none', 'estimate']);
	if (total) pairs.push(`_total=${total}`);
	const subset = defined() && chance(0.15) ? randomSubset(ts, incs) : null;
	if (subset) pairs.push(subset.elements ? `_elements=${subset.elements.join(',')}` : `_summary=${subset.summary}`);
	// controls and criteria in any order
	for (let i = pairs.length - 1; i > 0; i--) { const k = int(i + 1); [pairs[i], pairs[k]] = [pairs[k], pairs[i]]; }
	return { ts, type: ts.length > 1 ? null : t, path: comp ? `/${comp.type}/${comp.id}/${ts.length > 1 ? '*' : t}` : null, q: pairs.join('&'), tree: { and: and.length ? and : [{ q: '' }] }, sorts, incs, total, subset, found,
		explain: pick(['', '', 'plan', 'run']), sizes: Array.from({ length: 1 + int(4) }, rnd) };
}
export const label = (w) => `${w.path ?? w.type ?? ''}?${decodeURIComponent(w.q)}`;

const difference = (x, y) => Object.keys({ ...x, ...y }).filter((k) => canon(x[k]) !== canon(y[k])).map((k) => `${k}: ${canon(x[k])} for ${canon(y[k])}`).join('; ').slice(0, 600);
const canon = (x) => JSON.stringify(x, (k, v) => (v && typeof v === 'object' && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v));

// contained resources by their own values, containers by the best of their matches
function containers(w, a) {
	const own = w.inside.both ? a.want[w.type].map((id) => ({ name: `${w.type}/${id}`, part: 0, as: `${w.type}/${id}` })) : [];
	const inner = a.inside.map((id) => ({ name: id, part: 1 + docs.get(id.split('#')[0]).contained.findIndex((x) => x.id === id.split('#')[1]), as: `${w.type}/${id}` }));
	const matches = [...own, ...inner].map((m) => ({ ...m, keys: w.sorts.map((s) => sortValue(m.as, s, true)) }));
	if (w.inside.alone) return byKeys(matches, w.sorts).map((m) => m.name);
	const of = new Map();
	for (const m of matches) push(of, m.name.split('#')[0], m.keys);
	const best = (i, all) => { const there = all.map((k) => k[i]).filter((x) => x !== null).sort(compare); return there.length ? there[w.sorts[i].descending ? there.length - 1 : 0] : null; };
	return byKeys([...of].map(([name, all]) => ({ name, keys: w.sorts.map((_, i) => best(i, all)) })), w.sorts).map((m) => m.name);
}
// null when all agrees, else what differs
export function judge(w, a) {
	if (a.want_error || a.got_error) return a.want_error === a.got_error ? null : `errors differ: ${a.want_error ?? '-'} (${a.want_message ?? ''}), ${a.got_error ?? '-'} (${(a.got_message ?? '').slice(0, 300)})`;
	if (a.explain_error) return `fhir_explain: ${a.explain_error}`;
	const want = w.inside ? containers(w, a) : inOrder(w.ts.flatMap((t) => a.want[t].map((id) => `${t}/${id}`)), w.sorts);
	const same = (x, y) => x.length === y.length && x.every((v, i) => v === y[i]);
	const show = (x, y) => { const i = x.findIndex((v, k) => v !== y[k]); return `${x.length} for ${y.length}, at ${i < 0 ? x.length : i}: ${x.slice(Math.max(i, 0), i + 3)} for ${y.slice(Math.max(i, 0), i + 3)}`; };
	const { pages, back } = a.got;
	const forth = pages.flatMap((p) => p.m);
	if (!same(forth, want)) return `forward: ${show(forth, want)}`;
	let left = want.length;
	for (const [i, p] of pages.entries()) {
		if (p.m.length !== Math.min(p.n, left)) return `page ${i + 1} has ${p.m.length} of ${p.n}, ${left} left`;
		left -= p.m.length;
		if (p.previous !== i > 0) return `page ${i + 1}: previous link ${p.previous}`;
		if (p.first !== pages.length > 1) return `page ${i + 1}: first link ${p.first}`;
		if (p.o) return `page ${i + 1} has an outcome`;
		const inc = included(p.m, w.incs);
		if (!same(p.i, inc)) return `page ${i + 1} includes ${show(p.i, inc)}`;
		const rough = w.total === 'estimate' && pages.length > 1 && w.ts.reduce((n, t) => n + (byType.get(t)?.length ?? 0), 0) > 900; // by statistics these may be more than 1,000
		if (rough ? !Number.isInteger(p.total) || p.total < 0 : w.total === 'none' ? p.total !== null : w.total || pages.length === 1 ? p.total !== want.length : p.total !== null && p.total !== want.length) return `page ${i + 1}: total ${p.total} for ${want.length}`;
	}
	const all = [...back.flat(), ...(pages.at(-1)?.m ?? [])];
	if (!same(all, want)) return `backward: ${show(all, want)}`;
	if (a.rows && !same(a.rows, want)) return `rows: ${show(a.rows, want)}`;
	if (a.count !== null && a.count !== want.length) return `count ${a.count} for ${want.length}`;
	for (const e of a.got.sample ?? []) {
		const name = `${e.resource.resourceType}/${e.resource.id}`, match = e.search.mode === 'match';
		if (w.subset) {
			const doc = shown(w.subset, docs.get(name), match);
			if (canon(e.resource) !== canon(doc)) return `subset of ${name}: ${difference(e.resource, doc)}`;
		}
		const fit = match && w.found.length ? fits(name, w.found) / 1e6 : undefined;
		if (fit === undefined ? e.search.score !== undefined : !(Math.abs(e.search.score - fit) < 1e-9)) return `score of ${name}: ${e.search.score} for ${fit}`;
	}
	return null;
}
