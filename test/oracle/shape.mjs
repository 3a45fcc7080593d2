// shape.mjs: documents beside R4's StructureDefinitions: what _summary and _elements leave of them, and which of their strings are texts, for
// scores. Only the published definitions are used.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './generate.mjs';

const elements = new Map(); // "Patient.contact.name" -> ElementDefinition; a choice stands by each of its names
const roots = new Map();
const dir = join(npm, 'hl7.fhir.r4.examples');
const upper = (s) => s[0].toUpperCase() + s.slice(1);
export const defined = () => elements.size > 0;
export function define() {
	for (const file of existsSync(dir) ? readdirSync(dir) : []) {
		if (!/^StructureDefinition-\w+\.json$/.test(file)) continue;
		const d = JSON.parse(readFileSync(join(dir, file), 'utf8'));
		if (d.derivation === 'constraint' || !['resource', 'complex-type'].includes(d.kind)) continue;
		for (const e of d.snapshot.element) {
			if (!e.path.includes('.')) continue;
			if (e.path.split('.').length === 2) roots.set(d.type, [...(roots.get(d.type) ?? []), e]);
			if (e.path.endsWith('[x]')) for (const t of e.type) elements.set(e.path.slice(0, -3) + upper(t.code), { ...e, type: [t] });
			else elements.set(e.path, e);
		}
	}
}
/** Names of a resource's elements, as _elements takes them. */
export const namesOf = (type) => (roots.get(type) ?? []).map((e) => e.path.split('.')[1].replace('[x]', ''));

// [definition, path below which its members are defined] of a member; a resource says its type itself
function member(path, key, v) {
	const e = elements.get(`${path}.${key.replace(/^_/, '')}`);
	if (!e) return [null, null];
	if (e.contentReference) return [e, e.contentReference.slice(1)];
	const type = e.type?.[0]?.code ?? '';
	if (/^(BackboneElement|Element)$/.test(type)) return [e, e.path];
	return [e, /^(Resource|DomainResource)$/.test(type) ? v?.resourceType : type];
}
const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
const each = (v, f) => (Array.isArray(v) ? v.map(f) : f(v));

// _summary=true at any depth: summary, mandatory and modifier elements, ids, and the type of a resource
function summary(path, o) {
	const out = {};
	for (const [k, v] of Object.entries(o)) {
		const [e] = member(path, k, v);
		if (k !== 'resourceType' && k !== 'id' && e && !e.isSummary && !(e.min > 0) && !e.isModifier) continue;
		out[k] = each(v, (x) => {
			const below = member(path, k, x)[1];
			return isObject(x) && below && !k.startsWith('_') ? summary(below, x) : x;
		});
	}
	return Object.keys(out).length ? out : o; // no element is empty
}
const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };
/** What a search answers of a document. subset: {summary} or {elements: [...]}; null, or nothing that concerns it: all. */
export function shown(subset, doc, match) {
	const type = doc.resourceType;
	const names = (subset?.elements ?? []).map((n) => n.split('.')).filter((n) => (n.length > 1 ? n[0] === type : match)).map((n) => n.at(-1));
	if (!names.length && !subset?.summary) return doc;
	let out = {};
	if (names.length || subset.summary === 'text') {
		for (const [k, v] of Object.entries(doc)) {
			const [e] = member(type, k, v), name = e?.path.split('.')[1].replace('[x]', '');
			if (k === 'resourceType' || k === 'id' || !e || e.min > 0 || e.isModifier || (names.length ? names.includes(name) || names.includes(k.replace(/^_/, '')) : name === 'text')) out[k] = v;
		}
	} else if (subset.summary === 'data') {
		out = { ...doc };
		delete out.text;
	} else out = summary(type, doc);
	out.meta = { ...doc.meta, tag: [...(doc.meta?.tag ?? []).filter((t) => t.code !== SUBSETTED.code), SUBSETTED] };
	return out;
}

// ---- texts and scores
// HTML 4's names of letters, as far as they stand in a row; other names are of signs and spaces
const NAMED = new Map([['quot', '"'], ['amp', '&'], ['apos', "'"], ['lt', '<'], ['gt', '>'], ['ordf', 'ª'], ['shy', '\u00ad'], ['micro', 'µ'], ['ordm', 'º'], ['OElig', 'Œ'], ['oelig', 'œ'], ['Scaron', 'Š'], ['scaron', 'š'], ['Yuml', 'Ÿ'],
	...`Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig
	agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml`.split(/\s+/).map((n, i) => [n, String.fromCharCode(0xc0 + i)]),
	...['Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho'.split(' '), 'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega'.split(' ')]
		.flatMap((names, k) => names.map((n, i) => [n, String.fromCharCode((k ? 0x3b1 : 0x391) + i)])), ...'Sigma Tau Upsilon Phi Chi Psi Omega'.split(' ').map((n, i) => [n, String.fromCharCode(0x3a3 + i)])]);
/** What a narrative shows: no tags, no comments, the characters that entities stand for. */
const markup = (x) => x.replace(/<!--[\s\S]*?(?:-->|$)|<(?:"[^"]*"|'[^']*'|[^>"'])*(?:>|$)|<[\s\S]*$|&(#\d{1,10}|#[xX][0-9a-fA-F]{1,9}|[A-Za-z0-9]{1,11});/g, (whole, entity) => {
	if (!entity) return ' ';
	if (entity[0] !== '#') return NAMED.get(entity) ?? ' ';
	const c = /x/i.test(entity[1]) ? parseInt(entity.slice(2), 16) : parseInt(entity.slice(1), 10);
	return c === 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? whole : String.fromCodePoint(c);
});
const TEXTS = ['string', 'markdown', 'code', 'xhtml'];
function collect(path, o, out) {
	for (const [k, v] of Object.entries(o)) {
		const [e] = member(path, k, v);
		each(v, (x) => {
			if (k.startsWith('_') && isObject(x)) collect('Element', x, out);
			else if (isObject(x)) { const below = member(path, k, x)[1]; if (below) collect(below, x, out); }
			else if (typeof x === 'string' && e && k !== 'id' && e.path !== 'Reference.reference' && TEXTS.includes(e.type?.[0]?.code)) out.push(e.type[0].code === 'xhtml' ? markup(x) : x);
		});
	}
	return out;
}
const letter = (b) => (b >= 0x61 && b <= 0x7a) || (b >= 0x30 && b <= 0x39) || b >= 0x80;
function wordScore(text, word) {
	let n = 0, best = 0;
	for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
		if (letter(word[0]) && at > 0 && letter(text[at - 1])) continue;
		let end = at + word.length;
		while (end < text.length && letter(text[end])) end++;
		best = Math.max(best, word.length / (end - at));
		n++;
	}
	return best * n / (n + 0.25);
}
const mean = (a) => (a.length ? a.reduce((x, y) => x + y, 0) / a.length : 0);
const alternatives = (s) => (s.match(/(?:\\.|[^,\\])+/gs) ?? []).map((x) => x.replace(/\\([\\,|$])/g, '$1'));
/** How well a document fits _text and _content criteria ([name, value as it stands in the query]), in millionths. */
export function score(doc, criteria, fold) {
	return Math.round(mean(criteria.map(([name, value]) => {
		const text = Buffer.from(name === '_content' ? fold(' ' + collect(doc.resourceType, doc, []).join(' ')) : fold(' ' + collect('Narrative', { div: doc.text?.div }, []).join(' ')));
		return Math.max(0, ...alternatives(value).map((a) => mean(fold(a).split(' ').filter(Boolean).map((w) => wordScore(text, Buffer.from(w))))));
	})) * 1000000);
}
