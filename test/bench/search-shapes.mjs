// search-shapes.mjs: the shapes of search that are measured, each with values sampled from the data, and beside each the SQL over the
// store's tables that somebody who knows them would write for it.
//
// A shape: { name, kind, values(s) -> [{ url, need, params }], hand: [sql, ...], ... }
//   kind     page: one page is the answer; count: all matches are counted; other: neither
//   values   distinct calls. need: documents whose keys (fhir_keys) the hand-written statement wants, by a name; params(k): its
//            parameters, k: the rows of those documents by that name. A search gets values, hand-written SQL the hashes of them.
//   hand     ways to write it: the one that is fastest on these data, by a custom or a generic plan, is what search is measured against.
//            Columns: id, doc [, total]; or total. What they answer is compared with the search. NULL: none was written
//   unordered  ids are compared as a set
const LOINC = 'http://loinc.org', UCUM = 'http://unitsofmeasure.org';
const array = (a) => `{${a.join(',')}}`;
const enc = encodeURIComponent;
/** A text as a search value. */
const val = (s) => enc(s.replace(/[\\$,|]/g, '\\$&'));
const MIN = '-9223372036854775808', MAX = '9223372036854775807';

/** The least text above all that start with s. */
const above = (s) => s.slice(0, -1) + String.fromCodePoint(s.codePointAt(s.length - 1) + 1);
const fold = (s) => s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();
const day = (d) => [BigInt(Date.parse(d)) * 1000n, (BigInt(Date.parse(d)) + 86400000n) * 1000n - 1n];

// ---- keys of documents

const keyed = (rows, source, form, structure = 'keys') => rows.filter((r) => r.source === source && r.form === form && r.structure === structure).map((r) => r.key);
const token = (type, element, system, code) => ({ resourceType: type, [element]: { coding: [{ ...(system ? { system } : {}), code }] } });
const reference = (type, element, ref) => ({ resourceType: type, [element]: { reference: ref } });
// keys_reference = identity # salt
const salt = (rows, source) => String(BigInt.asIntN(64, BigInt(keyed(rows, source, 'reference')[0]) ^ BigInt(rows.find((r) => r.structure === 'refs').key)));

// ---- SQL

export function shapes(S) {
	const R = `${S}.resource r`;
	/** The documents of a page's rows; m answers rid, version, id. */
	const page = (m, order = 'm.id', more = '') => `SELECT m.id, fhir_document(v.doc) AS doc${more} FROM (${m}) m JOIN ${S}.version v ON v.rid = m.rid AND v.version = m.version ORDER BY ${order}`;
	const rows = (where, { n = 100, order = 'r.id', cols = '', from = R } = {}) => `SELECT r.rid, r.version, r.id${cols} FROM ${from} WHERE ${where} ORDER BY ${order} LIMIT ${n}`;
	const of = (type) => `r.type = '${type}' AND NOT r.deleted`;
	const K = 'r.keys @> $1::bigint[]';
	/** A page by one GIN condition: as it stands; with the type, so that the order's index may be walked; only sorted; only walked. */
	const keyPage = (type, cond = K, opt = {}) => [
		page(rows(cond, opt)),
		page(rows(`${of(type)} AND ${cond}`, opt)),
		page(`SELECT * FROM (SELECT r.rid, r.version, r.id FROM ${R} WHERE ${cond} OFFSET 0) r ORDER BY r.id LIMIT ${opt.n ?? 100}`),
		page(`SELECT * FROM (SELECT * FROM ${R} WHERE ${of(type)} ORDER BY r.type, r.id OFFSET 0) r WHERE ${cond} LIMIT ${opt.n ?? 100}`),
	];
	const withTotal = (cond, statements) => statements.map((p) => `SELECT p.*, t.total FROM (SELECT count(*) AS total FROM ${R} WHERE ${cond}) t LEFT JOIN (${p}) p ON true`);
	const inRids = (sub) => `r.rid IN (${sub})`;
	const prefix = (keys, from, to) => `SELECT s.rid FROM ${S}.string s WHERE s.key = ANY ($${keys}::bigint[]) AND "left"(s.value, 100) >= $${from} AND "left"(s.value, 100) < $${to}`;
	const like = (keys, pattern) => `SELECT s.rid FROM ${S}.string s WHERE s.key = ANY ($${keys}::bigint[]) AND s.value LIKE $${pattern}`;

	const out = [];
	const add = (name, kind, values, hand, more = {}) => out.push({ name, kind, values, hand, ...more });
	const once = (url, params = []) => () => [{ url, need: {}, params: () => params }];

	// ---- the thirty

	add('metadata', 'page', once('/metadata'), null);
	add('Observation?_count=10', 'page', once('/Observation?_count=10'), [page(rows(of('Observation'), { n: 10 }))]);
	add('Observation?_count=1&_total=accurate', 'count', once('/Observation?_count=1&_total=accurate'), [
		`SELECT p.*, t.total FROM (SELECT count(*) AS total FROM ${R} WHERE ${of('Observation')}) t LEFT JOIN (${page(rows(of('Observation'), { n: 1 }))}) p ON true`,
	]);

	/** type?param=system|code (or code alone), sampled from the documents as they come: frequent codes come often. */
	const codes = (type, element, param, { bare = false, suffix = '', source = `${type}.${element}` } = {}) => (s) => s.of(type).flatMap((d) => d[element]?.coding ?? []).filter((c) => c.code)
		.map((c) => ({ url: `/${type}?${param}=${bare ? '' : enc(c.system + '|')}${c.code}${suffix}`, need: { a: token(type, element, c.system, c.code) },
			params: (k) => [array(keyed(k.a, source, bare ? 'code' : 'system|code'))] }));
	add('Observation?code=c', 'page', codes('Observation', 'code', 'code', { bare: true }), keyPage('Observation'));
	add('Observation?code=s|c&_total=accurate', 'count', codes('Observation', 'code', 'code', { suffix: '&_total=accurate' }), withTotal(K, keyPage('Observation')));
	const comboCodes = (suffix) => (s) => s.of('Observation').flatMap((d) => [d.code, ...(d.component ?? []).map((c) => c.code)]).flatMap((c) => c.coding)
		.map((c) => ({ url: `/Observation?combo-code=${enc(c.system + '|' + c.code)}${suffix}`,
			need: { a: token('Observation', 'code', c.system, c.code), b: { resourceType: 'Observation', component: [{ code: { coding: [c] } }] } },
			params: (k) => [array([...keyed(k.a, 'Observation.code', 'system|code'), ...keyed(k.b, 'Observation.component.code', 'system|code')])] }));
	const any = 'r.keys && $1::bigint[]';
	add('Observation?combo-code=s|c', 'page', comboCodes(''), keyPage('Observation', any));
	add('Observation?combo-code=s|c&_total=accurate', 'count', comboCodes('&_total=accurate'), withTotal(any, keyPage('Observation', any)));
	const gender = (g) => ({ resourceType: 'Patient', gender: g });
	add('Patient?gender=g&_total=accurate', 'count', () => ['male', 'female'].map((g) => ({ url: `/Patient?gender=${g}&_total=accurate`, need: { a: gender(g) },
		params: (k) => [array(keyed(k.a, 'Patient.gender', 'code'))] })), withTotal(K, keyPage('Patient')));

	const family = (f) => ({ resourceType: 'Patient', name: [{ family: f }] });
	const given = (g) => ({ resourceType: 'Patient', name: [{ given: [g] }] });
	const strings = (k, source) => array(k.filter((r) => r.structure === 'string' && r.source === source).map((r) => r.key));
	const start = (x) => [fold(x), above(fold(x))];
	const stringPage = (type, sub) => [page(rows(inRids(sub))), page(rows(`r.rid = ANY (ARRAY(${sub}))`))];
	add('Patient?family=f', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Patient?family=${val(p.name[0].family)}`, need: { a: family('x') },
		params: (k) => [strings(k.a, 'Patient.name.family'), ...start(p.name[0].family)] })), stringPage('Patient', prefix(1, 2, 3)));
	add('Patient?given=g', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Patient?given=${val(p.name[0].given[0])}`, need: { a: given('x') },
		params: (k) => [strings(k.a, 'Patient.name.given'), ...start(p.name[0].given[0])] })), stringPage('Patient', prefix(1, 2, 3)));
	add('Patient?gender=g&family=f', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Patient?gender=${p.gender}&family=${val(p.name[0].family.slice(0, 3))}`,
		need: { a: family('x'), b: gender(p.gender) },
		params: (k) => [strings(k.a, 'Patient.name.family'), ...start(p.name[0].family.slice(0, 3)), array(keyed(k.b, 'Patient.gender', 'code'))] })),
		[page(rows(`${inRids(prefix(1, 2, 3))} AND r.keys @> $4::bigint[]`))]);
	const vital = ['8302-2', '29463-7', '8867-4', '9279-1', '8310-5', '39156-5', '85354-9', '72514-3'];
	add('Observation?code=3 vital signs&_total=accurate', 'count', () => vital.map((c, i) => [0, 1, 3].map((d) => vital[(i + d) % vital.length]))
		.map((three) => ({ url: `/Observation?code=${three.join(',')}&_total=accurate`, need: Object.fromEntries(three.map((c, i) => [i, token('Observation', 'code', LOINC, c)])),
			params: (k) => [array(three.flatMap((c, i) => keyed(k[i], 'Observation.code', 'code')))] })), withTotal(any, keyPage('Observation', any)));

	/** Boxes of fhir_ordered_any for a date with a prefix: key, lo from, lo to, hi from, hi to. Values are instants: seconds. */
	const boxes = (key, op, [from, to], gap = 0n) => ({
		eq: [[key, from, MAX, MIN, to]], ne: [[key, MIN, from - 1n, MIN, MAX], [key, MIN, MAX, to + 1n, MAX]], gt: [[key, MIN, MAX, to + 1n, MAX]], lt: [[key, MIN, from - 1n, MIN, MAX]],
		ge: [[key, from, MAX, MIN, to], [key, MIN, MAX, to + 1n, MAX]], le: [[key, from, MAX, MIN, to], [key, MIN, from - 1n, MIN, MAX]],
		sa: [[key, to + 1n, MAX, to + 1n, MAX]], eb: [[key, MIN, from - 1n, MIN, from - 1n]], ap: [[key, MIN, to + gap, from - gap, MAX]],
	}[op].flat());
	/** The same as ranges of lo, for instants: two of them, the second may be empty. */
	const ranges = (op, [from, to], gap = 0n) => ({ eq: [from, to], ne: [MIN, from - 1n, to + 1n, MAX], gt: [to + 1n, MAX], lt: [MIN, from - 1n], ge: [from, MAX], le: [MIN, to], sa: [to + 1n, MAX],
		eb: [MIN, from - 1n], ap: [from - gap, to + gap] }[op]).concat(['0', '-1']).slice(0, 4);
	const dated = { resourceType: 'Observation', effectiveDateTime: '2000-01-01T00:00:00Z' };
	const dateKey = (k) => k.filter((r) => r.structure === 'ordered')[0].key;
	const near = (op, [from, to]) => { // ap: a tenth of the time between then and now
		if (op !== 'ap') return 0n;
		const gap = BigInt(Date.now()) * 1000n - (from + to) / 2n;
		return (gap < 0n ? -gap : gap) / 10n;
	};
	const dates = (op, suffix = '') => (s) => s.of('Observation').map((o) => o.effectiveDateTime?.slice(0, 10)).filter(Boolean).map((d) => ({ url: `/Observation?date=${op}${d}${suffix}`, need: { a: dated },
		params: (k) => [array(boxes(dateKey(k.a), op, day(d), near(op, day(d)))), dateKey(k.a), ...ranges(op, day(d), near(op, day(d)))] }));
	const instants = `SELECT o.rid FROM ${S}.ordered o WHERE o.key = $2::bigint AND o.lo >= $3::bigint AND o.lo <= $4::bigint UNION ALL SELECT o.rid FROM ${S}.ordered o WHERE o.key = $2::bigint AND o.lo >= $5::bigint AND o.lo <= $6::bigint`;
	const datePage = [
		`WITH u AS (SELECT $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint) ` + page(rows(`${of('Observation')} AND fhir_ordered_any(r.ord, $1::bigint[])`)),
		`WITH u AS (SELECT $1::bigint[]) ` + page(rows(inRids(instants))),
	];
	add('Observation?date=ge', 'page', dates('ge'), datePage);
	add('Patient/{id}', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Patient/${p.id}`, need: {}, params: () => [p.id] })),
		[`SELECT r.id, fhir_document(v.doc) AS doc FROM ${R} JOIN ${S}.version v ON v.rid = r.rid AND v.version = r.version WHERE r.type = 'Patient' AND r.id = $1 AND NOT r.deleted`]);

	const references = (type, element, param, source, pick, suffix = '', make = null) => (s) => s.of(type).map(pick).filter(Boolean)
		.map((ref) => ({ url: `/${type}?${param}=${ref}${suffix}`, need: { a: make ? make(ref) : reference(type, element, ref) }, params: (k) => [array(keyed(k.a, source, 'reference'))] }));
	const subject = (d) => d.subject?.reference;
	for (const type of ['Observation', 'Condition', 'Encounter', 'MedicationRequest'])
		add(`${type}?patient=p`, 'page', references(type, 'subject', 'patient', `${type}.subject`, subject), keyPage(type));
	add('Condition?code=c', 'page', codes('Condition', 'code', 'code', { bare: true }), keyPage('Condition'));
	add('Procedure?code=c', 'page', codes('Procedure', 'code', 'code', { bare: true }), keyPage('Procedure'));
	add('Encounter?participant=p', 'page', references('Encounter', 'participant', 'participant', 'Encounter.participant.individual', (d) => d.participant?.[0]?.individual?.reference, '',
		(ref) => ({ resourceType: 'Encounter', participant: [{ individual: { reference: ref } }] })), keyPage('Encounter'));
	add('Encounter?location=l', 'page', references('Encounter', 'location', 'location', 'Encounter.location.location', (d) => d.location?.[0]?.location?.reference, '',
		(ref) => ({ resourceType: 'Encounter', location: [{ location: { reference: ref } }] })), keyPage('Encounter'));

	const word = (text) => text && fold(text).split(/[^a-z0-9]+/).filter((w) => w.length > 3)[0];
	// words of the narrative or of anything: side rows of words, under a tag for the type; texts of the dictionary; names
	const texts = (type, param, of) => (s) => s.of(type).map((d) => word(of(d))).filter(Boolean).map((w) => ({ url: `/${type}?${param}=${w}`, need: {},
		params: () => [['n', ...(param === '_content' ? ['c'] : [])].map((kind) => s.wordTag(type, kind)).filter(Boolean).map((t) => `'${t}${w}':*`).join(' | ') || 'none', `%${w}%`, `\\m${w}`] }));
	const side = `SELECT w.rid FROM ${S}.word w WHERE w.words @@ $1::tsquery`;
	const inText = (table, column) => `SELECT t.${column} FROM ${S}.${table} t WHERE t.value LIKE $2 AND t.value ~ $3`;
	const anyText = (type) => `${of(type)} AND (r.keys && ARRAY(${inText('term', 'hash')}) OR r.rid = ANY (ARRAY(${side})) OR r.rid = ANY (ARRAY(${inText('string', 'rid')})))`;
	const contentPage = (type) => [page(rows(anyText(type))),
		page(`SELECT DISTINCT r.rid, r.version, r.id FROM ${R} WHERE ${of(type)} AND r.rid IN (SELECT r.rid FROM ${R} WHERE r.keys && ARRAY(${inText('term', 'hash')}) UNION ${side} UNION ${inText('string', 'rid')}) ORDER BY r.id LIMIT 100`)];
	add('Observation?_content=w', 'page', texts('Observation', '_content', (d) => d.code?.text), contentPage('Observation'));
	add('Condition?_content=w', 'page', texts('Condition', '_content', (d) => d.code?.text), contentPage('Condition'));
	add('Patient?_content=w', 'page', texts('Patient', '_content', (d) => d.name[0].family), contentPage('Patient'));
	const whole = { resourceType: 'Patient', name: [{ text: 'a', family: 'a', given: ['a'], prefix: ['a'], suffix: ['a'] }],
		address: [{ text: 'a', line: ['a'], city: 'a', district: 'a', state: 'a', country: 'a', postalCode: 'a' }] };
	const contains = (type, param, source, doc, of, { part = (x) => x, suffix = ':contains' } = {}) => (s) => s.of(type).map(of).filter(Boolean).map(part).filter((x) => x.length > 2)
		.map((x) => ({ url: `/${type}?${param}${suffix}=${val(x)}`, need: { a: doc }, params: (k) => [strings(k.a, source), suffix ? `%${fold(x)}%` : fold(x), ...(suffix ? [] : [above(fold(x))])] }));
	const starts = (...a) => contains(...a, { suffix: '' });
	const middle = (x) => x.slice(1, 5);
	const familyOf = (d) => d.name[0].family, cityOf = (d) => d.address?.[0]?.city;
	const likePage = stringPage('Patient', like(1, 2));
	add('Patient?name:text=n', 'page', contains('Patient', 'name', 'Patient.name', whole, familyOf, { suffix: ':text' }), likePage);
	add('Patient?address:text=a', 'page', contains('Patient', 'address', 'Patient.address', whole, cityOf, { suffix: ':text' }), likePage);
	const narrative = (d) => d.text?.div?.replace(/<[^>]*>/g, ' ').replace(/^.*? for /, '');
	add('CarePlan?_text=w', 'page', texts('CarePlan', '_text', narrative), [`WITH u AS (SELECT $2::text, $3::text) ${page(rows(`${of('CarePlan')} AND ${inRids(side)}`))}`]);
	add('Observation?code:text=w', 'page', (s) => s.of('Observation').map((o) => o.code).filter((c) => c?.coding?.[0]?.display && word(c.coding[0].display)).map((c) => {
		const w = fold(c.coding[0].display).slice(0, 6);
		return { url: `/Observation?code:text=${enc(w)}`, need: { a: { resourceType: 'Observation', code: c } }, group: (k) => k.a.find((r) => r.structure === 'term' && r.source === 'Observation.code' && r.value.startsWith(w))?.key,
			params: (k, g) => [g, `${w.replace(/[%_\\]/g, '\\$&')}%`] };
	}), keyPage('Observation', `r.keys && ARRAY(SELECT t.hash FROM ${S}.term t WHERE t.key = $1::bigint AND t.value LIKE $2)`));

	// ---- strings

	const startPage = stringPage('Patient', prefix(1, 2, 3));
	const orgDoc = { resourceType: 'Organization', name: 'a', alias: ['a'] };
	add('Patient?name=n', 'page', starts('Patient', 'name', 'Patient.name', whole, familyOf), startPage);
	add('Patient?name:contains=n', 'page', contains('Patient', 'name', 'Patient.name', whole, familyOf, { part: middle }), likePage);
	add('Patient?address=a', 'page', starts('Patient', 'address', 'Patient.address', whole, cityOf), startPage);
	add('Patient?address:contains=a', 'page', contains('Patient', 'address', 'Patient.address', whole, cityOf, { part: middle }), likePage);
	add('Organization?name=n', 'page', starts('Organization', 'name', 'Organization.name', orgDoc, (d) => d.name), startPage);
	add('Organization?name:contains=n', 'page', contains('Organization', 'name', 'Organization.name', orgDoc, (d) => d.name.split(' ').at(-2) ?? d.name), likePage);

	// ---- dates, tokens, quantities

	for (const op of ['eq', 'ne', 'gt', 'lt', 'le', 'sa', 'eb', 'ap']) add(`Observation?date=${op}`, 'page', dates(op), datePage);
	const orList = (n) => (s) => {
		const known = [...new Set(s.of('Observation').flatMap((o) => o.code?.coding ?? []).map((c) => c.code))];
		return [...Array(20)].map(() => {
			const list = [...Array(n)].map((x, i) => (i % 4 === 3 || n > 50 && i >= 20 ? `${s.rng(90000)}-${i % 10}` : known[s.rng(known.length)]));
			return { url: `/Observation?code=${[...new Set(list)].join(',')}&_count=20`, need: Object.fromEntries([...new Set(list)].map((c, i) => [i, token('Observation', 'code', LOINC, c)])),
				params: (k) => [array(Object.values(k).flatMap((rows) => keyed(rows, 'Observation.code', 'code')))] };
		});
	};
	const each = (type, n) => page(`SELECT DISTINCT r.rid, r.version, r.id FROM unnest($1::bigint[]) k CROSS JOIN LATERAL (SELECT r.rid, r.version, r.id FROM ${R} WHERE r.keys @> ARRAY[k] OFFSET 0) r ORDER BY r.id LIMIT ${n}`);
	for (const n of [5, 50, 500])
		add(`Observation?code=${n} codes&_count=20`, 'page', orList(n), [...keyPage('Observation', any, { n: 20 }), keyPage('Observation', 'fhir_keys_any(r.keys, ARRAY(SELECT unnest($1::bigint[]) ORDER BY 1))', { n: 20 })[3]]);
	add('Patient?identifier=500 values', 'page', (s) => [...Array(8)].map(() => {
		const all = s.of('Patient').flatMap((p) => p.identifier), list = [...new Set([...Array(500)].map(() => all[s.rng(all.length)].value))];
		return { url: `/Patient?identifier=${list.map(enc).join(',')}`, need: Object.fromEntries(list.map((v, i) => [i, { resourceType: 'Patient', identifier: [{ value: v }] }])),
			params: (k) => [array(Object.values(k).flatMap((rows) => keyed(rows, 'Patient.identifier', 'code')))] };
	}), [...keyPage('Patient', any), each('Patient', 100), keyPage('Patient', 'fhir_keys_any(r.keys, ARRAY(SELECT unnest($1::bigint[]) ORDER BY 1))')[3]]);

	const quantity = (v, unit) => ({ resourceType: 'Observation', valueQuantity: { value: v, system: UCUM, code: unit } });
	const half = (v) => { const p = (String(v).split('.')[1] ?? '').length; return 0.5 * 10 ** -p; };
	const exact = (x) => Number(x.toPrecision(14));
	// units, with the others in the data that they can be converted to
	const units = new Map([['cm', [['mm', 10]]], ['/min', []], ['kg/m2', []], ['Cel', []], ['mm[Hg]', []]]);
	const quantities = (op) => (s) => s.of('Observation').map((o) => o.valueQuantity).filter((q) => units.has(q?.code) && q.value > 0).map((q) => {
		const tenth = q.value / 10, whole = op === 'eq' || op === 'ne';
		const [lo, hi] = whole ? [q.value - half(q.value), q.value + half(q.value)] : op === 'ap' ? [q.value - tenth, q.value + tenth] : [q.value, q.value];
		const all = [[q.code, 1], ...units.get(q.code)];
		return { url: `/Observation?value-quantity=${op === 'eq' ? '' : op}${q.value}|${enc(UCUM)}|${enc(q.code)}`,
			need: Object.fromEntries(all.flatMap(([u, f], i) => [[`lo${i}`, quantity(exact(lo * f), u)], [`hi${i}`, quantity(exact(hi * f), u)]])), params: (k) => {
				const row = (r) => r.find((x) => x.structure === 'ordered' && x.source === 'Observation.value.ofType(Quantity)');
				const at = all.map((u, i) => ({ key: row(k[`lo${i}`]).key, range: [BigInt(row(k[`lo${i}`]).lo), BigInt(row(k[`hi${i}`]).lo) - (whole ? 1n : 0n)] }));
				const pairs = at.flatMap(({ key, range }) => { const r = ranges(op, range); return [[key, r[0], r[1]], [key, r[2], r[3]]]; }).filter(([, from, to]) => BigInt(from) <= BigInt(to));
				return [array(at.flatMap(({ key, range }) => boxes(key, op, range))), ...[0, 1, 2].map((i) => array(pairs.map((p) => p[i])))];
			} };
	});
	const quantityPage = [
		`WITH u AS (SELECT $2::bigint[], $3::bigint[], $4::bigint[]) ` + page(rows(`${of('Observation')} AND fhir_ordered_any(r.ord, $1::bigint[])`)),
		`WITH u AS (SELECT $1::bigint[]) ` + page(rows(inRids(`SELECT o.rid FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) b(key, f, t) JOIN ${S}.ordered o ON o.key = b.key AND o.lo >= b.f AND o.lo <= b.t`))),
	];
	for (const op of ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']) add(`Observation?value-quantity=${op}n|s|u`, 'page', quantities(op), quantityPage);

	// composites: the rows of the pair of code and unit
	const composite = (param, source, wrap, pick) => (s) => s.of('Observation').flatMap(pick).filter(([c, q]) => c && q?.code).map(([c, q]) => ({
		url: `/Observation?${param}=${c.code}$gt${q.value}`, need: Object.fromEntries(source.map((x, i) => [i, wrap[i](c, q)])),
		params: (k) => {
			// without a system the token is the bare code
			const at = source.map((x, i) => k[i].find((r) => r.structure === 'ordered' && r.source === x)).filter(Boolean);
			return [array(at.flatMap((r) => boxes(r.key, 'gt', [BigInt(r.lo), BigInt(r.lo)]))), array(at.map((r) => r.key)), at[0].lo];
		} }));
	const bare = (c) => ({ coding: [{ code: c.code }] });
	const rootDoc = (c, q) => ({ resourceType: 'Observation', code: bare(c), valueQuantity: q });
	const partDoc = (c, q) => ({ resourceType: 'Observation', component: [{ code: bare(c), valueQuantity: q }] });
	const rootSource = 'Observation $ code $ value.ofType(Quantity)', partSource = 'Observation.component $ code $ value.ofType(Quantity)';
	const roots = (o) => [[o.code?.coding?.[0], o.valueQuantity]], parts = (o) => (o.component ?? []).map((c) => [c.code?.coding?.[0], c.valueQuantity]);
	const comboPage = [
		`WITH u AS (SELECT $2::bigint[], $3::bigint) ` + page(rows(`${of('Observation')} AND fhir_ordered_any(r.ord, $1::bigint[])`)),
		`WITH u AS (SELECT $1::bigint[]) ` + page(rows(inRids(`SELECT o.rid FROM ${S}.ordered o WHERE o.key = ANY ($2::bigint[]) AND o.lo > $3::bigint`))),
	];
	add('Observation?code-value-quantity=c$gt', 'page', composite('code-value-quantity', [rootSource], [rootDoc], roots), comboPage);
	add('Observation?component-code-value-quantity=c$gt', 'page', composite('component-code-value-quantity', [partSource], [partDoc], parts), comboPage);
	add('Observation?combo-code-value-quantity=c$gt', 'page', composite('combo-code-value-quantity', [rootSource, partSource], [rootDoc, partDoc], (o) => [...roots(o), ...parts(o)]), comboPage);

	// ---- references

	add('Observation?encounter=e', 'page', references('Observation', 'encounter', 'encounter', 'Observation.encounter', (d) => d.encounter?.reference), keyPage('Observation'));
	add('DiagnosticReport?result=o', 'page', references('DiagnosticReport', 'result', 'result', 'DiagnosticReport.result', (d) => d.result?.[0]?.reference, '',
		(ref) => ({ resourceType: 'DiagnosticReport', result: [{ reference: ref }] })), keyPage('DiagnosticReport'));
	add('Encounter?service-provider=o', 'page', references('Encounter', 'serviceProvider', 'service-provider', 'Encounter.serviceProvider', (d) => d.serviceProvider?.reference), keyPage('Encounter'));

	// ---- several criteria

	const patientCode = (s) => s.of('Observation').filter((o) => o.code?.coding?.[0]).map((o) => ({
		url: `/Observation?patient=${o.subject.reference}&code=${enc(o.code.coding[0].system + '|' + o.code.coding[0].code)}&_sort=-date&_count=20`,
		need: { a: reference('Observation', 'subject', o.subject.reference), b: token('Observation', 'code', o.code.coding[0].system, o.code.coding[0].code), c: dated },
		params: (k) => [array([...keyed(k.a, 'Observation.subject', 'reference'), ...keyed(k.b, 'Observation.code', 'system|code')]), array([dateKey(k.c)])] }));
	add('Observation?patient=p&code=s|c&_sort=-date&_count=20', 'page', patientCode,
		[page(rows(K, { n: 20, cols: ', fhir_ordered_value(r.ord, $2::bigint[], true) AS at', order: 'at DESC NULLS LAST, r.id' }), 'm.at DESC NULLS LAST, m.id')]);
	const countBoth = [
		`WITH u AS (SELECT $3::bigint, $4::bigint, $5::bigint) SELECT count(*) AS total FROM ${R} WHERE r.keys @> $1::bigint[] AND fhir_ordered_any(r.ord, $2::bigint[])`,
		`WITH u AS (SELECT $2::bigint[]) SELECT count(*) AS total FROM ${R} WHERE r.keys @> $1::bigint[] AND r.rid IN (SELECT o.rid FROM ${S}.ordered o WHERE o.key = $3::bigint AND o.lo >= $4::bigint AND o.lo <= $5::bigint)`,
	];
	const keyAndDate = (element, param, pick) => (s) => s.of('Observation').filter((o) => pick(o) && o.effectiveDateTime).map((o) => {
		const c = pick(o), d = `${1990 + s.rng(28)}-01-01`;
		return { url: `/Observation?${param}=${enc(c.system + '|' + c.code)}&date=ge${d}&_summary=count`,
			need: { a: { resourceType: 'Observation', [element]: element === 'category' ? [{ coding: [c] }] : { coding: [c] } }, b: dated },
			params: (k) => [array(keyed(k.a, `Observation.${element}`, 'system|code')), array(boxes(dateKey(k.b), 'ge', day(d))), dateKey(k.b), day(d)[0], MAX] };
	});
	add('Observation?code=s|c&date=ge count', 'count', keyAndDate('code', 'code', (o) => o.code?.coding?.[0]), countBoth);
	add('Observation?category=s|c&date=ge count', 'count', keyAndDate('category', 'category', (o) => o.category?.[0]?.coding?.[0]), countBoth);
	add('Observation?code=s|c count', 'count', codes('Observation', 'code', 'code', { suffix: '&_summary=count' }), [`SELECT count(*) AS total FROM ${R} WHERE ${K}`]);
	add('Observation?category=s|c count', 'count', (s) => s.of('Observation').map((o) => o.category?.[0]?.coding?.[0]).filter(Boolean).map((c) => ({ url: `/Observation?category=${enc(c.system + '|' + c.code)}&_summary=count`,
		need: { a: { resourceType: 'Observation', category: [{ coding: [c] }] } }, params: (k) => [array(keyed(k.a, 'Observation.category', 'system|code'))] })), [`SELECT count(*) AS total FROM ${R} WHERE ${K}`]);
	add('Observation?date=ge count', 'count', dates('ge', '&_summary=count'), [
		`WITH u AS (SELECT $1::bigint[]) SELECT count(*) AS total FROM (${instants}) o`,
		`WITH u AS (SELECT $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint) SELECT count(*) AS total FROM ${R} WHERE ${of('Observation')} AND fhir_ordered_any(r.ord, $1::bigint[])`]);
	add('Observation? count', 'count', once('/Observation?_summary=count'), [`SELECT count(*) AS total FROM ${R} WHERE ${of('Observation')}`]);

	// ---- :not

	const not = (type, pick) => (s) => s.of(type).map((d) => d.status).filter(Boolean).map((c) => ({ url: `/${type}?status:not=${c}&_count=20`,
		need: Object.fromEntries(pick.map((x) => [x, { resourceType: type, status: x }])),
		params: (k) => [array(keyed(k[c], `${type}.status`, 'code')), array(pick.filter((x) => x !== c).flatMap((x) => keyed(k[x], `${type}.status`, 'code')))] }));
	// the statuses are a required value set: the others may be asked for instead
	const notPage = (type) => [`WITH u AS (SELECT $2::bigint[]) ${page(rows(`${of(type)} AND NOT r.keys @> $1::bigint[]`, { n: 20 }))}`,
		...keyPage(type, 'r.keys && $2::bigint[]', { n: 20 }).map((x) => `WITH u AS (SELECT $1::bigint[]) ${x}`)];
	add('MedicationRequest?status:not=s&_count=20', 'page', not('MedicationRequest', ['active', 'on-hold', 'cancelled', 'completed', 'entered-in-error', 'stopped', 'draft', 'unknown']), notPage('MedicationRequest'));
	add('Observation?status:not=final&_count=20', 'page', not('Observation', ['registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled', 'entered-in-error', 'unknown']), notPage('Observation'));

	// ---- chains

	const sal = (type, element) => reference(type, element, 'Patient/x');
	const chained = (type, bind) => [page(rows(`r.keys && ARRAY(${bind})`, { n: 20 })), page(rows(`${of(type)} AND r.keys && ARRAY(${bind})`, { n: 20 })),
		page(`SELECT DISTINCT r.rid, r.version, r.id FROM (${bind}) k(k) CROSS JOIN LATERAL (SELECT r.rid, r.version, r.id FROM ${R} WHERE r.keys @> ARRAY[k.k] OFFSET 0) r ORDER BY r.id LIMIT 20`)];
	const ids = (type, sub, salted) => `SELECT fhir_identity('${type}', r.id) # $${salted}::bigint FROM ${R} WHERE ${sub}`;
	add('Observation?patient.family=f&_count=20', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Observation?patient.family=${val(p.name[0].family)}&_count=20`,
		need: { a: family('x'), b: sal('Observation', 'subject') }, params: (k) => [strings(k.a, 'Patient.name.family'), ...start(p.name[0].family), salt(k.b, 'Observation.subject')] })),
		chained('Observation', ids('Patient', inRids(prefix(1, 2, 3)), 4)));
	add('Observation?patient.gender=g&_count=20', 'page', () => ['male', 'female'].map((g) => ({ url: `/Observation?patient.gender=${g}&_count=20`, need: { a: gender(g), b: sal('Observation', 'subject') },
		params: (k) => [array(keyed(k.a, 'Patient.gender', 'code')), salt(k.b, 'Observation.subject')] })), [...chained('Observation', ids('Patient', K, 2)),
		page(`SELECT * FROM (SELECT * FROM ${R} WHERE ${of('Observation')} ORDER BY r.type, r.id OFFSET 0) r WHERE fhir_keys_any(r.keys, ARRAY(${ids('Patient', K, 2)} ORDER BY 1)) LIMIT 20`)]);
	const provider = reference('Encounter', 'serviceProvider', 'Organization/x');
	const chain2 = ids('Encounter', `r.keys && ARRAY(${ids('Organization', inRids(prefix(1, 2, 3)), 4)})`, 5);
	add('Observation?encounter.service-provider.name=n&_count=20', 'page', (s) => s.of('Organization').map((o) => ({ url: `/Observation?encounter.service-provider.name=${val(o.name)}&_count=20`,
		need: { a: orgDoc, b: provider, c: reference('Observation', 'encounter', 'Encounter/x') },
		params: (k) => [strings(k.a, 'Organization.name'), ...start(o.name), salt(k.b, 'Encounter.serviceProvider'), salt(k.c, 'Observation.encounter')] })), chained('Observation', chain2));
	const place = { resourceType: 'Encounter', location: [{ location: { reference: 'Location/x' } }] };
	const chain3 = ids('Encounter', `r.keys && ARRAY(${ids('Location', `r.keys && ARRAY(${ids('Organization', inRids(prefix(1, 2, 3)), 4)})`, 5)})`, 6);
	add('Observation?encounter.location.organization.name=n&_count=20', 'page', (s) => s.of('Organization').map((o) => ({ url: `/Observation?encounter.location.organization.name=${val(o.name)}&_count=20`,
		need: { a: orgDoc, b: reference('Location', 'managingOrganization', 'Organization/x'), c: place, d: reference('Observation', 'encounter', 'Encounter/x') },
		params: (k) => [strings(k.a, 'Organization.name'), ...start(o.name), salt(k.b, 'Location.managingOrganization'), salt(k.c, 'Encounter.location.location'), salt(k.d, 'Observation.encounter')] })),
		chained('Observation', chain3));

	// ---- _has

	const hasCode = (type) => (s) => s.of(type).map((d) => d.code?.coding?.[0]).filter(Boolean).map((c) => ({ url: `/Patient?_has:${type}:patient:code=${c.code}&_count=20`,
		need: { a: token(type, 'code', c.system, c.code), b: sal(type, 'subject') }, params: (k) => [array(keyed(k.a, `${type}.code`, 'code')), salt(k.b, `${type}.subject`)] }));
	const hasPage = [page(rows(`${of('Patient')} AND fhir_identity('Patient', r.id) # $2::bigint IN (SELECT unnest(c.keys) FROM ${S}.resource c WHERE c.keys @> $1::bigint[])`, { n: 20 })),
		page(rows(`${of('Patient')} AND EXISTS (SELECT FROM ${S}.resource c WHERE c.keys @> ($1::bigint[] || (fhir_identity('Patient', r.id) # $2::bigint)))`, { n: 20 }))];
	add('Patient?_has:Condition:patient:code=c&_count=20', 'page', hasCode('Condition'), hasPage);
	add('Patient?_has:Observation:patient:code=c&_count=20', 'page', hasCode('Observation'), hasPage);
	add('Patient?_has:Condition:patient:code=c&_has:Observation:patient:code=d&_count=20', 'page', (s) => s.of('Condition').map((d) => d.code?.coding?.[0]).filter(Boolean).map((c) => {
		const o = s.one('Observation').code.coding[0];
		return { url: `/Patient?_has:Condition:patient:code=${c.code}&_has:Observation:patient:code=${o.code}&_count=20`,
			need: { a: token('Condition', 'code', c.system, c.code), b: sal('Condition', 'subject'), c: token('Observation', 'code', o.system, o.code), d: sal('Observation', 'subject') },
			params: (k) => [array(keyed(k.a, 'Condition.code', 'code')), salt(k.b, 'Condition.subject'), array(keyed(k.c, 'Observation.code', 'code')), salt(k.d, 'Observation.subject')] };
	}), [page(rows(`${of('Patient')} AND fhir_identity('Patient', r.id) # $2::bigint IN (SELECT unnest(c.keys) FROM ${S}.resource c WHERE c.keys @> $1::bigint[])
		AND fhir_identity('Patient', r.id) # $4::bigint IN (SELECT unnest(c.keys) FROM ${S}.resource c WHERE c.keys @> $3::bigint[])`.replace(/\s+/g, ' '), { n: 20 })),
		page(rows(`${of('Patient')} AND EXISTS (SELECT FROM ${S}.resource c WHERE c.keys @> ($1::bigint[] || (fhir_identity('Patient', r.id) # $2::bigint))) AND EXISTS (SELECT FROM ${S}.resource c WHERE c.keys @> ($3::bigint[] || (fhir_identity('Patient', r.id) # $4::bigint)))`, { n: 20 })),
		page(rows(`${of('Patient')} AND fhir_identity('Patient', r.id) # $2::bigint IN (SELECT unnest(c.keys) FROM ${S}.resource c WHERE c.keys @> $1::bigint[]) AND EXISTS (SELECT FROM ${S}.resource c WHERE c.keys @> ($3::bigint[] || (fhir_identity('Patient', r.id) # $4::bigint)))`, { n: 20 }))]);
	add('Patient?_has:Encounter:patient:_has:Observation:encounter:code=c&_count=20', 'page', (s) => s.of('Observation').map((d) => d.code?.coding?.[0]).filter(Boolean).map((c) => ({
		url: `/Patient?_has:Encounter:patient:_has:Observation:encounter:code=${c.code}&_count=20`,
		need: { a: token('Observation', 'code', c.system, c.code), b: reference('Observation', 'encounter', 'Encounter/x'), c: sal('Encounter', 'subject') },
		params: (k) => [array(keyed(k.a, 'Observation.code', 'code')), salt(k.b, 'Observation.encounter'), salt(k.c, 'Encounter.subject')] })), [
		page(rows(`${of('Patient')} AND fhir_identity('Patient', r.id) # $3::bigint IN (SELECT unnest(e.keys) FROM ${S}.resource e WHERE e.type = 'Encounter' AND fhir_identity('Encounter', e.id) # $2::bigint IN (SELECT unnest(c.keys) FROM ${S}.resource c WHERE c.keys @> $1::bigint[]))`, { n: 20 })),
		page(rows(`${of('Patient')} AND EXISTS (SELECT FROM ${S}.resource e WHERE e.keys @> ARRAY[fhir_identity('Patient', r.id) # $3::bigint] AND EXISTS (SELECT FROM ${S}.resource c WHERE c.keys @> ($1::bigint[] || (fhir_identity('Encounter', e.id) # $2::bigint)) OFFSET 0))`, { n: 20 })),
	]);

	// ---- includes: documents of the page, and of what they refer to or what refers to them

	const target = (alias, ...path) => `split_part(${alias}.doc ${path.map((p) => (typeof p === 'number' ? `-> ${p}` : `-> '${p}'`)).join(' ')} ->> 'reference', '/', 2)`;
	const fetch = (type, id) => `SELECT r.id, fhir_document(v.doc) AS doc FROM ${R} JOIN ${S}.version v ON v.rid = r.rid AND v.version = r.version WHERE r.type = '${type}' AND NOT r.deleted AND r.id IN (${id})`;
	const some = (s) => s.of('Observation').filter((o) => o.code?.coding?.[0]).map((o) => o.code.coding[0]);
	const observations = (n) => keyPage('Observation', K, { n });
	add('Observation?code=c&_include=Observation:patient&_count=20', 'page', (s) => some(s).map((c) => ({ url: `/Observation?code=${c.code}&_include=Observation:patient&_count=20`,
		need: { a: token('Observation', 'code', c.system, c.code) }, params: (k) => [array(keyed(k.a, 'Observation.code', 'code'))] })),
		observations(20).map((p) => `WITH p AS MATERIALIZED (${p}) SELECT * FROM p UNION ALL (${fetch('Patient', `SELECT ${target('p', 'subject')} FROM p`)})`), { unordered: true });
	add('Observation?code=c&_include=Observation:encounter&_include:iterate=Encounter:participant&_count=20', 'page', (s) => some(s).map((c) => ({
		url: `/Observation?code=${c.code}&_include=Observation:encounter&_include:iterate=Encounter:participant&_count=20`,
		need: { a: token('Observation', 'code', c.system, c.code) }, params: (k) => [array(keyed(k.a, 'Observation.code', 'code'))] })),
		observations(20).map((p) => `WITH p AS MATERIALIZED (${p}), e AS MATERIALIZED (${fetch('Encounter', `SELECT ${target('p', 'encounter')} FROM p`)}) SELECT * FROM p UNION ALL SELECT * FROM e UNION ALL (${fetch('Practitioner', `SELECT ${target('e', 'participant', 0, 'individual')} FROM e`)})`),
		{ unordered: true });
	add('Patient?family=f&_revinclude=Condition:patient&_count=10', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Patient?family=${val(p.name[0].family)}&_revinclude=Condition:patient&_count=10`,
		need: { a: family('x'), b: sal('Condition', 'subject') }, params: (k) => [strings(k.a, 'Patient.name.family'), ...start(p.name[0].family), salt(k.b, 'Condition.subject')] })),
		[`WITH p AS MATERIALIZED (${page(rows(inRids(prefix(1, 2, 3)), { n: 10 }))}) SELECT * FROM p UNION ALL (SELECT r.id, fhir_document(v.doc) FROM ${R} JOIN ${S}.version v ON v.rid = r.rid AND v.version = r.version WHERE r.keys && ARRAY(SELECT fhir_identity('Patient', p.id) # $4::bigint FROM p))`,
			`WITH p AS MATERIALIZED (${page(rows(inRids(prefix(1, 2, 3)), { n: 10 }))}) SELECT * FROM p UNION ALL (SELECT r.id, fhir_document(v.doc) FROM p CROSS JOIN LATERAL (SELECT * FROM ${R} WHERE r.keys @> ARRAY[fhir_identity('Patient', p.id) # $4::bigint] OFFSET 0) r JOIN ${S}.version v ON v.rid = r.rid AND v.version = r.version)`],
		{ unordered: true });

	// ---- order and deep pages

	add('Observation?code=rare&_sort=-_lastUpdated&_count=20', 'page', (s) => s.rare('Observation', 'code', 20).map((c) => ({ url: `/Observation?code=${enc(c.system + '|' + c.code)}&_sort=-_lastUpdated&_count=20`,
		need: { a: token('Observation', 'code', c.system, c.code) }, params: (k) => [array(keyed(k.a, 'Observation.code', 'system|code'))] })),
		[page(rows(K, { n: 20, order: 'r.last_updated DESC, r.id', cols: ', r.last_updated' }), 'm.last_updated DESC, m.id')]);
	add('Observation?date=ge&_sort=-date&_count=20', 'page', dates('ge', '&_sort=-date&_count=20'), [
		`WITH u AS (SELECT $1::bigint[], $5::bigint, $6::bigint) ` + page(`SELECT r.rid, r.version, r.id, o.lo FROM ${S}.ordered o JOIN ${R} ON r.rid = o.rid WHERE o.key = $2::bigint AND o.lo >= $3::bigint AND o.lo <= $4::bigint ORDER BY o.lo DESC, r.id LIMIT 20`, 'm.lo DESC, m.id')]);
	const least = (n) => `(SELECT min("left"(s.value, 100)) FROM ${S}.string s WHERE s.rid = r.rid AND s.key = ANY ($${n}::bigint[]))`;
	add('Patient?_sort=family,given&_count=20', 'page', () => [{ url: '/Patient?_sort=family,given&_count=20', need: { a: family('x'), b: given('x') },
		params: (k) => [strings(k.a, 'Patient.name.family'), strings(k.b, 'Patient.name.given')] }],
		[page(rows(of('Patient'), { n: 20, cols: `, ${least(1)} AS f, ${least(2)} AS g`, order: 'f NULLS LAST, g NULLS LAST, r.id' }), 'm.f NULLS LAST, m.g NULLS LAST, m.id')]);
	add('Observation?_count=20 page 500', 'page', (s) => s.deep('/Observation', 500, 20).map((p) => ({ url: p.url, need: {}, params: () => [p.after.id] })),
		[page(rows(`${of('Observation')} AND r.id > $1`, { n: 20 }))]);
	add('Observation?code=c&_count=20 page 500', 'page', (s) => s.common('Observation', 'code', 4).flatMap((c) => s.deep(`/Observation?code=${c.code}`, 500, 20).map((p) => ({ url: p.url, need: { a: token('Observation', 'code', c.system, c.code) },
		params: (k) => [array(keyed(k.a, 'Observation.code', 'code')), p.after.id] }))), keyPage('Observation', `${K} AND r.id > $2`, { n: 20 }));
	add('Observation?_sort=-date&_count=20 page 500', 'page', (s) => s.deep('/Observation?_sort=-date', 500, 20).map((p) => ({ url: p.url, need: { a: { resourceType: 'Observation', effectiveDateTime: p.after.effectiveDateTime } },
		params: (k) => [dateKey(k.a), k.a.find((r) => r.structure === 'ordered').lo, p.after.id] })), [
		page(`SELECT r.rid, r.version, r.id, o.lo FROM ${S}.ordered o JOIN ${R} ON r.rid = o.rid WHERE o.key = $1::bigint AND o.lo <= $2::bigint AND (o.lo < $2::bigint OR r.id > $3) ORDER BY o.lo DESC, r.id LIMIT 20`, 'm.lo DESC, m.id')]);

	// ---- beyond the list

	add('Observation?code=c&_sort=patient.family&_count=20', 'page', (s) => some(s).map((c) => ({ url: `/Observation?code=${c.code}&_sort=patient.family&_count=20`,
		need: { a: token('Observation', 'code', c.system, c.code), b: sal('Observation', 'subject'), c: family('x') },
		params: (k) => [array(keyed(k.a, 'Observation.code', 'code')), salt(k.b, 'Observation.subject'), strings(k.c, 'Patient.name.family')] })),
	// every Observation has its patient; families sorted first, or the matches
	['JOIN', 'LATERAL'].map((way) => {
		const p = `(SELECT fhir_identity('Patient', r.id) # $2::bigint AS k, ${least(3)} AS f FROM ${R} WHERE ${of('Patient')} ORDER BY 2)`;
		return page(way === 'JOIN' ? `SELECT r.rid, r.version, r.id, p.f FROM ${R} CROSS JOIN unnest(r.keys) k(k) JOIN ${p} p ON p.k = k.k WHERE ${K} ORDER BY p.f NULLS LAST, r.id LIMIT 20`
			: `SELECT r.rid, r.version, r.id, p.f FROM ${p} p CROSS JOIN LATERAL (SELECT r.rid, r.version, r.id FROM ${R} WHERE r.keys @> ($1::bigint[] || p.k) OFFSET 0) r ORDER BY p.f NULLS LAST, r.id LIMIT 20`, 'm.f NULLS LAST, m.id');
	}));
	add('Coverage?_contained=true&beneficiary=p', 'page', (s) => s.of('Patient').map((p) => ({ url: `/Coverage?_contained=true&beneficiary=Patient/${p.id}`, need: {}, params: () => [] })), null);
	add('Location?near=lat|long|5|km', 'page', (s) => s.of('Location').map((l) => ({ url: `/Location?near=${l.position.latitude}|${l.position.longitude}|5|km`, need: {}, params: () => [] })), null);
	add('Patient?identifier=s|v', 'page', (s) => s.of('Patient').map((p) => p.identifier[2]).filter(Boolean).map((i) => ({ url: `/Patient?identifier=${enc(i.system + '|' + i.value)}`,
		need: { a: { resourceType: 'Patient', identifier: [{ system: i.system, value: i.value }] } }, params: (k) => [array(keyed(k.a, 'Patient.identifier', 'system|code'))] })), keyPage('Patient'));
	return out;
}
