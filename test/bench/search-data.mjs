// search-data.mjs: Synthea's patients many times over, each copy other people: for measuring search at a size.
//
// What a copy changes: every id (the server gives new ones to all that a patient has; the organizations, practitioners and locations of a
// copy are shared by its patients, under ids made from the copy's number), names, addresses and identifiers of patients, names of
// practitioners and organizations, and all dates of a patient, moved back together by up to three years in whole days. Codes, values and
// the way resources refer to each other stay, so selectivities are those of the original. Synthea's file has no Location: each
// organization gets one, with a position, and encounters take place there. Pseudo-random with a fixed seed: the same each time.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Pseudo-random numbers below n (mulberry32). */
export function random(seed) {
	let a = seed >>> 0;
	return (n) => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % n;
	};
}

const shared = ['Organization', 'Practitioner', 'Location'];
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const DAY = 86400000;

function bundles(tar, tmp) {
	rmSync(tmp, { recursive: true, force: true });
	mkdirSync(tmp, { recursive: true });
	execFileSync('tar', ['-xzf', tar, '-C', tmp]);
	const out = readdirSync(tmp, { recursive: true }).filter((f) => f.endsWith('.json')).sort()
		.map((f) => JSON.parse(readFileSync(join(tmp, f)))).filter((b) => b.resourceType === 'Bundle');
	rmSync(tmp, { recursive: true, force: true });
	return out;
}

// another uuid of the same kind for each copy
const shift = (id, mask) => ((parseInt(id.slice(0, 8), 16) ^ mask) >>> 0).toString(16).padStart(8, '0') + id.slice(8);
const maskOf = (copy) => Math.imul(copy, 0x9e3779b1) >>> 0;
const locationId = (organization) => organization.slice(0, -1) + ((parseInt(organization.slice(-1), 16) ^ 1).toString(16));

/** What of each bundle is the same in all copies: texts between the places that change. */
function template(bundle) {
	const organizations = new Map(), practitioners = new Map();
	let patient = null;
	const rest = [];
	for (const { fullUrl, resource } of bundle.entry) {
		if (resource.resourceType === 'Organization') organizations.set(resource.id, resource);
		else if (resource.resourceType === 'Practitioner') practitioners.set(resource.id, resource);
		else if (resource.resourceType === 'Patient') patient = resource;
		else rest.push({ fullUrl, resource, request: { method: 'POST', url: resource.resourceType } });
	}
	for (const { resource: r } of rest) {
		if (r.resourceType === 'Encounter' && r.serviceProvider?.reference)
			r.location = [{ location: { reference: 'urn:uuid:' + locationId(r.serviceProvider.reference.slice(9)) } }];
	}
	const locations = new Set([...organizations.keys()].map(locationId));
	let text = JSON.stringify(rest);
	text = text.replaceAll(`${patient.name[0].given[0]} ${patient.name[0].family}"`, '@name@"');
	text = text.replace(new RegExp(`"urn:uuid:(${uuid})"`, 'g'), (all, id) =>
		organizations.has(id) ? `"Organization/${id}"` : practitioners.has(id) ? `"Practitioner/${id}"` : locations.has(id) ? `"Location/${id}"` : all);
	const parts = [], places = [];
	let at = 0;
	for (const m of text.matchAll(new RegExp(`(${uuid})|(?<=")(\\d{4}-\\d\\d-\\d\\d)(?=[T"])|@name@`, 'g'))) {
		parts.push(text.slice(at, m.index));
		places.push(m[1] ? ['id', m[1]] : m[2] ? ['date', m[2]] : ['name']);
		at = m.index + m[0].length;
	}
	parts.push(text.slice(at));
	return { patient, parts, places, organizations, practitioners, entries: rest.length + 1 };
}

const moveDate = (date, days, cache) => {
	let moved = cache.get(date);
	if (!moved) cache.set(date, (moved = new Date(Date.parse(date) - days * DAY).toISOString().slice(0, 10)));
	return moved;
};

const digits = (s, rng) => s.replace(/\d/g, () => rng(10));

function patientOf(t, pools, days, rng, mask) {
	const p = structuredClone(t.patient), cache = new Map();
	const name = p.name[0];
	name.family = pools.families[rng(pools.families.length)];
	name.given = name.given.map(() => pools.given[p.gender][rng(pools.given[p.gender].length)]);
	for (const other of p.name.slice(1)) other.given = name.given;
	for (const a of p.address ?? []) {
		const from = pools.addresses[rng(pools.addresses.length)];
		Object.assign(a, { city: from.city, state: from.state, postalCode: from.postalCode, line: from.line?.map((l) => digits(l, rng)) });
	}
	for (const i of p.identifier ?? []) if (!new RegExp(`^${uuid}$`).test(i.value)) i.value = digits(i.value, rng);
	for (const c of p.telecom ?? []) if (c.value) c.value = digits(c.value, rng);
	p.birthDate = moveDate(p.birthDate, days, cache);
	if (p.deceasedDateTime) p.deceasedDateTime = moveDate(p.deceasedDateTime.slice(0, 10), days, cache) + p.deceasedDateTime.slice(10);
	const fullUrl = 'urn:uuid:' + shift(p.id, mask);
	return { p: JSON.parse(JSON.stringify(p).replace(new RegExp(uuid, 'g'), (id) => shift(id, mask))), fullUrl, name: `${name.given[0]} ${name.family}` };
}

const puts = (resources) => JSON.stringify({ resourceType: 'Bundle', type: 'transaction',
	entry: resources.map((r) => ({ resource: r, request: { method: 'PUT', url: `${r.resourceType}/${r.id}` } })) });

function sharedOf(templates, pools, mask, rng) {
	const seen = new Map();
	for (const t of templates) {
		for (const o of t.organizations.values()) {
			if (seen.has(o.id)) continue;
			const renamed = structuredClone(o);
			const words = o.name.split(' ');
			words[0] = pools.words[rng(pools.words.length)];
			renamed.name = words.join(' ');
			seen.set(o.id, renamed);
			const id = locationId(o.id);
			seen.set(id, { resourceType: 'Location', id, status: 'active', name: renamed.name, address: o.address?.[0], managingOrganization: { reference: `Organization/${o.id}` },
				position: { longitude: -73 + rng(3000) / 1000, latitude: 41 + rng(2000) / 1000 } });
		}
		for (const p of t.practitioners.values()) {
			if (seen.has(p.id)) continue;
			const renamed = structuredClone(p);
			renamed.name[0].family = pools.families[rng(pools.families.length)];
			for (const i of renamed.identifier ?? []) i.value = digits(i.value, rng);
			seen.set(p.id, renamed);
		}
	}
	return [...seen.values()].map((r) => JSON.parse(JSON.stringify(r).replace(new RegExp(uuid, 'g'), (id) => shift(id, mask))));
}

/**
 * Transaction Bundles as lines of JSON, in [text, resources], until at least `wanted` resources are out. Those of a copy's organizations and
 * practitioners come before the patients that refer to them, but no order between lines is needed.
 */
export function* replicate(tar, tmp, wanted) {
	const templates = bundles(tar, tmp).filter((b) => b.entry.some((e) => e.resource.resourceType === 'Patient')).map(template);
	const distinct = (a) => [...new Set(a)].sort();
	const people = templates.map((t) => t.patient);
	const practitioners = templates.flatMap((t) => [...t.practitioners.values()]);
	const organizations = templates.flatMap((t) => [...t.organizations.values()]);
	const pools = {
		families: distinct([...people, ...practitioners].map((p) => p.name[0].family)),
		given: Object.fromEntries(['male', 'female'].map((g) => [g, distinct([...people, ...practitioners].filter((p) => p.gender === g).flatMap((p) => p.name[0].given))])),
		addresses: [...people, ...organizations].flatMap((p) => p.address ?? []),
		words: distinct(organizations.map((o) => o.name.split(' ')[0])),
	};
	let out = 0;
	for (let copy = 0; out < wanted; copy++) {
		const mask = maskOf(copy), rng = random(0x5eed + copy);
		const all = sharedOf(templates, pools, mask, rng);
		yield [puts(all), all.length];
		out += all.length;
		for (const t of templates) {
			if (out >= wanted) return;
			const days = rng(1096), cache = new Map();
			const { p, fullUrl, name } = patientOf(t, pools, days, rng, mask);
			let text = `{"resourceType":"Bundle","type":"transaction","entry":[${JSON.stringify({ fullUrl, resource: p, request: { method: 'POST', url: 'Patient' } })},`;
			for (let i = 0; i < t.places.length; i++) {
				const [kind, value] = t.places[i];
				text += i ? t.parts[i] : t.parts[0].slice(1);
				text += kind === 'id' ? shift(value, mask) : kind === 'date' ? moveDate(value, days, cache) : name;
			}
			text += t.parts[t.places.length] + '}';
			yield [text, t.entries];
			out += t.entries;
		}
	}
}
