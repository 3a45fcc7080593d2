// laws.mjs: what must hold between searches, whatever they find. It needs no evaluation: `a,b` finds the union, repetition the intersection,
// `:not` the rest, the order of parameters does not matter, every door gives the same answer, links can't be forged.
import { chance, criterion, edges, int, join2, lit, model, pick, rnd, simple, types, wheel } from './generate.mjs';
import { byType, docs, randomOrder } from './whole.mjs';

const enc = ([name, value]) => `${name}=${encodeURIComponent(value)}`;
const array = (a) => `ARRAY[${a.map((x) => (x === null ? 'NULL' : lit(x))).join(',')}]::text[]`;
const filled = (t, kinds) => model.get(t).filter((p) => p.values.length && (!kinds || kinds.includes(p.kind)));
const one = (t) => (chance(0.2) ? join2(t) : simple(t));
const sorted = (a) => [...a].sort().join(' ');
const union = (...sets) => [...new Set(sets.flat())];
const both = (a, b) => a.filter((x) => b.includes(x));
const same = (what, a, b) => (sorted(a) === sorted(b) ? null : `${what}: ${a.length} for ${b.length}: ${a.filter((x) => !b.includes(x)).slice(0, 3)} for ${b.filter((x) => !a.includes(x)).slice(0, 3)}`);
const searches = (name, list, law) => ({ name, list, law, sql: `SELECT oracle.sets(${array(list.map((l) => l[0]))}, ${array(list.map((l) => l[1]))});` });

function alternatives(t) { // one name, two values: a,b and a&b
	const p = pick(filled(t)), c = p && criterion(p), d = c && Array.from({ length: 12 }, () => criterion(p)).find((x) => x?.[1] && x[0] === c[0] && x[1] !== c[1]);
	if (!d || !c[1] || c[0].includes(':missing')) return null;
	const [name, a] = c, b = d[1], negative = /:not(-in)?$/.test(name);
	return chance(0.5) ? searches('alternatives', [[t, enc([name, `${a},${b}`])], [t, enc(c)], [t, enc(d)]], ([ab, x, y]) => same('a,b', ab, negative ? both(x, y) : union(x, y)))
		: searches('repetition', [[t, `${enc(c)}&${enc(d)}`], [t, enc(c)], [t, enc(d)]], ([ab, x, y]) => same('a&b', ab, both(x, y)));
}
function conjunction(t) {
	const c = one(t), d = one(t);
	return c?.[1] && d?.[1] ? searches('conjunction', [[t, `${enc(c)}&${enc(d)}`], [t, enc(c)], [t, enc(d)]], ([ab, x, y]) => same('p&q', ab, both(x, y))) : null;
}
function complement(t) {
	const p = pick(filled(t, ['token'])), c = p && criterion(p);
	if (!c?.[1] || /:(missing|text|of-type|above|below)$/.test(c[0])) return null;
	const [code, modifier] = c[0].split(':'), rest = { undefined: `${code}:not`, not: code, in: `${code}:not-in`, 'not-in': `${code}:in` }[modifier];
	return searches('complement', [[t, enc(c)], [t, enc([rest, c[1]])], [t, '']], ([x, y, all]) => same('p and p:not', [...x, ...y], all));
}
function missing(t) {
	const p = pick(model.get(t).filter((x) => x.kind !== 'words'));
	return searches('missing', [[t, `${p.code}:missing=true`], [t, `${p.code}:missing=false`], [t, '']], ([x, y, all]) => same('missing and present', [...x, ...y], all));
}
function permutation(t) {
	const pairs = [one(t), one(t), chance(0.5) ? one(t) : null].filter((c) => c?.[1]).map(enc), sort = randomOrder([t]);
	if (sort) pairs.push(`_sort=${sort}`);
	pairs.push('_total=accurate');
	const other = pairs.map((x) => [rnd(), x]).sort((a, b) => a[0] - b[0]).map((x) => x[1]);
	return searches('permutation', [[t, pairs.join('&')], [t, other.join('&')]], ([x, y]) => (x.join(' ') === y.join(' ') ? null : same('permuted', y, x) ?? 'permuted: another order'));
}
function system(t) {
	const u = pick(wheel), p = pick(filled(t).filter((x) => x.kind !== 'composite' && filled(u).some((y) => y.code === x.code && y.kind === x.kind)));
	const c = p && chance(0.8) ? criterion(p) : null, q = c?.[1] ? enc(c) : '';
	return t === u ? null : searches('system level', [[null, `_type=${t},${u}${q && '&'}${q}`], [t, q], [u, q]], ([all, x, y]) => same('_type=A,B', all, [...x, ...y]));
}
function targets(t) { // an untyped chain is the union of the typed ones
	const [, code, target] = pick(edges.filter((e) => e[0] === t && model.has(e[2]))) ?? [], p = code && model.get(t).find((x) => x.code === code), c = target && simple(target);
	if (!c?.[1] || !p?.targets?.length || p.targets.includes('Resource')) return null;
	const typed = p.targets.map((x) => [t, `${code}:${x}.${enc(c)}`]);
	return searches('chain without type', [[t, `${code}.${enc(c)}`], ...typed], ([all, ...parts]) => same('chain', all, union(...parts.map((x) => (Array.isArray(x) ? x : [])))));
}
function doors(t) {
	if (chance(0.15)) {
		const u = pick(wheel), q = `_type=${t},${u}&_count=${1 + int(30)}${chance(0.5) ? '&_sort=-_lastUpdated' : ''}`;
		return { name: 'doors', list: [[null, q]], sql: `SELECT oracle.doors(NULL, ${lit(q)});` };
	}
	const pairs = [one(t), chance(0.3) ? one(t) : null].filter((c) => c?.[1]).map(enc), sort = chance(0.5) && randomOrder([t]), around = edges.filter((e) => e[0] === t);
	if (sort) pairs.push(`_sort=${sort}`);
	pairs.push(`_count=${chance(0.3) ? int(4) : 1000}`);
	if (around.length && chance(0.3)) pairs.push(`_include=${t}:${pick(around)[1]}`);
	if (chance(0.2)) pairs.push('_total=accurate');
	return { name: 'doors', list: [[t, pairs.join('&')]], sql: `SELECT oracle.doors(${lit(t)}, ${lit(pairs.join('&'))});` };
}
// what is not understood changes nothing but an outcome that tells it, if the client says so
function lenient(t) {
	const c = one(t), q = c?.[1] ? enc(c) : '_total=accurate';
	return { name: 'lenient', list: [[t, q]], sql: `SELECT oracle.lenient(${lit(t)}, ${lit(q)}, ${lit(pick(['nosuch=1', 'nosuch:exact=a,b', '_nosuch=x', '_has:Nosuch:subject:code=x', '_offset=3']))});` };
}
// any character may be written by its code
function encoding(t) {
	const c = one(t);
	if (!c?.[1]) return null;
	const all = [...Buffer.from(c[1])].map((b) => (b === 0x20 && chance(0.5) ? '+' : `%${b.toString(16)[chance(0.5) ? 'toUpperCase' : 'toLowerCase']().padStart(2, '0')}`)).join('');
	return searches('encoding', [[t, `${encodeURIComponent(c[0])}=${all}`], [t, enc(c)]], ([x, y]) => same('encoded', x, y));
}
const within = (name, code, id) => (docs.get(name).contained ?? []).some((x) => x.id === id); // a chain leads there, too
function identity(t) { // by a reference, and by a chain to the id of what it names
	const [, code, target, canonical] = pick(edges.filter((e) => e[0] === t && model.has(e[2]))) ?? [];
	if (!code || canonical) return null;
	const id = pick(byType.get(target));
	return searches('identity', [[t, `${code}=${target}/${id}`], [t, `${code}:${target}=${id}`], [t, `${code}:${target}._id=${id}`]], ([x, y, z]) => same('Type/id and :Type', x, y) ?? same('Type/id and a chain to _id', z.filter((n) => !within(n, code, id)), x));
}
function moment(t) { // before and from then on
	const all = byType.get(t), at = docs.get(`${t}/${pick(all)}`).meta.lastUpdated;
	return searches('moment', [[t, `_lastUpdated=lt${at}`], [t, `_lastUpdated=ge${at}`], [t, '']], ([x, y, whole]) => same('before and after', [...x, ...y], whole));
}
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
function forge(t) {
	const c = simple(t), d = simple(t), sort = chance(0.5) && randomOrder([t]), u = pick(wheel);
	const q = [chance(0.5) && c?.[1] ? enc(c) : '_lastUpdated=gt1970', sort ? `_sort=${sort}` : ''].filter(Boolean).join('&');
	const r = d?.[1] ? `${q}&${enc(d)}` : '_lastUpdated=gt1971';
	return { name: 'forged links', list: [[t, q], [u, r]], sql: `SELECT oracle.forge(${lit(t)}, ${lit(q)}, ${lit(u)}, ${lit(r)}, ${rnd().toFixed(6)}, ${lit(pick([...LETTERS]))});` };
}
// _filter on elements: comparisons of what stands in an element of the documents, with others of the same element in brackets
const quoted = (x) => `"${String(x).replace(/["\\]/g, (c) => '\\' + c)}"`;
function leaf(o, depth = 2) { // path and value of something in the element, or a path that leads nowhere
	const names = Object.keys(o).filter((k) => !/^(id|extension|resourceType|_.*)$/.test(k) && o[k] !== null);
	if (!names.length) return null;
	const name = pick(names), v = Array.isArray(o[name]) ? pick(o[name]) : o[name];
	if (v === null || v === undefined) return null;
	if (typeof v !== 'object') return { path: name, v };
	const rest = depth > 0 ? leaf(v, depth - 1) : null;
	return rest && { path: `${name}.${rest.path}`, v: rest.v, inner: name, below: v };
}
function compared(o) {
	const l = leaf(o);
	if (!l) return null;
	if (chance(0.15)) return `${l.path} pr ${pick(['true', 'false'])}`;
	if (typeof l.v === 'boolean') return `${l.path} ${pick(['eq', 'ne'])} ${chance(0.7) ? l.v : !l.v}`;
	if (typeof l.v === 'number') return `${l.path} ${pick(['eq', 'ne', 'gt', 'lt', 'ge', 'le'])} ${l.v}`;
	const cs = [...l.v], at = int(cs.length), op = pick(['eq', 'eq', 'eq', 'ne', 'sw', 'sw', 'co', 'co', 'ew', 'ew']);
	let v = op === 'sw' ? cs.slice(0, at + 1) : op === 'ew' ? cs.slice(at) : op === 'co' ? cs.slice(at, at + 1 + int(20)) : cs;
	v = v.slice(0, 80).join('');
	if (chance(0.15)) v = v.toUpperCase();
	return v.trim() ? `${l.path} ${op} ${quoted(v)}` : null;
}
function conditions(o, depth = 2) {
	const r = rnd(), a = depth > 0 && r < 0.5 ? conditions(o, depth - 1) : compared(o);
	if (!a || depth === 0 || r >= 0.5) return a;
	if (r < 0.15) return `not (${a})`;
	const b = conditions(o, depth - 1);
	return b && `(${a}) ${pick(['and', 'or'])} (${b})`;
}
function elements(t) {
	const p = pick(filled(t, ['token', 'string', 'date', 'quantity']).filter((x) => x.code !== '_id' && x.values.some((v) => v && typeof v === 'object')));
	const o = p && pick(p.values.filter((v) => v && typeof v === 'object')), last = o && compared(o), f = chance(0.6) && o && conditions(o);
	if (!last) return null;
	// brackets within the path, too
	const l = chance(0.3) ? leaf(o) : null, g = l?.below && conditions(l.below), end = g && compared(l.below);
	const rest = `${f ? `[${f}]` : ''}.${end ? `${l.inner}[${g}].${end}` : last}`, negated = chance(0.1);
	return { name: 'elements', list: [[t, `_filter=${negated ? 'not ' : ''}${p.code}${rest}`]], sql: `SELECT oracle.elements(${lit(t)}, ${lit(p.code)}, ${lit(rest)}, ${negated});` };
}
const every = [elements, elements, alternatives, alternatives, conjunction, complement, missing, permutation, system, targets, doors, doors, forge, lenient, encoding, identity, moment];
const laws = process.env.FHIR_ORACLE_LAW ? every.filter((f) => f.name === process.env.FHIR_ORACLE_LAW) : every;
export const randomLaw = () => pick(laws)(pick(wheel));
export const describe = (l) => `${l.name}: ${l.list.map(([t, q]) => `${t ?? ''}?${l.name === 'elements' ? q : decodeURIComponent(q)}`).join(' | ')}`;
/** null when the law holds, else what is wrong. Where one of the searches is refused there is nothing to hold, unless it alone is. */
export function holds(l, a) {
	if (!l.law) return a.differ ? JSON.stringify(a) : null;
	const odd = a.sets.find((s) => typeof s === 'string' && !s.startsWith('FH'));
	if (odd) return odd;
	if (l.name === 'chain without type' ? typeof a.sets[0] === 'string' : a.sets.some((s) => typeof s === 'string')) {
		const whole = typeof a.sets[0] === 'string', part = a.sets.slice(1).some((s) => typeof s === 'string');
		return l.name !== 'chain without type' && whole !== part ? `refused: ${a.sets.map((s) => (typeof s === 'string' ? s : '-'))}` : null;
	}
	return l.law(a.sets);
}
