/*
 * client.test.mjs: a FHIR client library that knows nothing of this server, against the real extension.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { fhirUrl, noPackage, noUrl, importPackage } from './lib.mjs';

const skip = noUrl || noPackage('fhir-kit-client');
const library = skip ? {} : await importPackage('fhir-kit-client');
const Client = library.Client || library.default || library; // versions 2 and 1
const client = skip ? null : new Client({ baseUrl: fhirUrl });
const mark = randomUUID();

/* The HTTP status of a refused call and its OperationOutcome */
async function refused(promise, status) {
	const error = await promise.then(() => assert.fail('was not refused'), (e) => e);
	assert.equal(error.response?.status, status, error.message);
	assert.equal(error.response.data.resourceType, 'OperationOutcome');
	return error.response.data;
}
const responseOf = (resource) => Client.httpFor(resource).response;
const patient = (family, more = {}) => ({ resourceType: 'Patient', name: [{ family, given: ['Ann'] }], identifier: [{ system: 'urn:test', value: `${mark}-${family}` }], ...more });

test('capability statement', { skip }, async () => {
	const statement = await client.capabilityStatement();
	assert.equal(statement.resourceType, 'CapabilityStatement');
	assert.equal(statement.fhirVersion, '4.0.1');
	assert.ok(statement.rest[0].resource.some((r) => r.type === 'Patient'));
});

test('create, read, vread, update, history, delete', { skip }, async () => {
	const created = await client.create({ resourceType: 'Patient', body: patient('First') });
	const { id } = created;
	assert.ok(id);
	assert.equal(created.meta.versionId, '1');
	assert.equal(responseOf(created).status, 201);
	assert.match(responseOf(created).headers.get('location'), new RegExp(`${fhirUrl}/Patient/${id}/_history/1$`));
	assert.equal(responseOf(created).headers.get('etag'), 'W/"1"');

	const read = await client.read({ resourceType: 'Patient', id });
	assert.deepEqual(read.name, created.name);
	const updated = await client.update({ resourceType: 'Patient', id, body: { ...read, active: true } });
	assert.equal(updated.meta.versionId, '2');
	assert.equal((await client.vread({ resourceType: 'Patient', id, version: '1' })).active, undefined);
	assert.equal((await client.vread({ resourceType: 'Patient', id, version: '2' })).active, true);

	await refused(client.update({ resourceType: 'Patient', id, body: read, options: { headers: { 'If-Match': 'W/"1"' } } }), 412);
	const patch = (name) => ({ [name]: [{ op: 'replace', path: '/active', value: false }] });
	const patched = await client.patch({ resourceType: 'Patient', id, ...patch('jsonPatch'), ...patch('JSONPatch') });
	assert.equal(patched.active, false);

	const history = await client.history({ resourceType: 'Patient', id });
	assert.equal(history.type, 'history');
	assert.deepEqual(history.entry.map((e) => e.resource.meta.versionId), ['3', '2', '1']);
	assert.equal((await client.typeHistory({ resourceType: 'Patient' })).type, 'history');
	assert.equal((await client.systemHistory()).type, 'history');

	await client.delete({ resourceType: 'Patient', id });
	await refused(client.read({ resourceType: 'Patient', id }), 410);
	const after = await client.history({ resourceType: 'Patient', id });
	assert.equal(after.entry[0].request.method, 'DELETE');
	await refused(client.read({ resourceType: 'Patient', id: 'nobody' }), 404);
});

test('search, its pages forward and back, by GET and POST', { skip }, async () => {
	const families = Array.from({ length: 7 }, (_, i) => `Page${i}x${mark.slice(0, 8)}`);
	for (const family of families) await client.create({ resourceType: 'Patient', body: patient(family) });
	const searchParams = { family: families.join(','), _count: '3', _sort: 'family', _total: 'accurate' };
	for (const options of [{}, { postSearch: true }]) {
		let page = await client.search({ resourceType: 'Patient', searchParams, options });
		const found = [];
		const sizes = [];
		assert.equal(page.total, 7);
		for (; page; page = await client.nextPage({ bundle: page })) {
			assert.equal(page.type, 'searchset');
			sizes.push(page.entry.length);
			found.push(...page.entry.map((e) => e.resource.name[0].family));
			for (const e of page.entry) assert.equal(e.fullUrl, `${fhirUrl}/Patient/${e.resource.id}`);
			if (!page.link.some((l) => l.relation === 'next')) break;
		}
		assert.deepEqual(sizes, [3, 3, 1]);
		assert.deepEqual(found, families);
	}
	const second = await client.nextPage({ bundle: await client.search({ resourceType: 'Patient', searchParams }) });
	const first = await client.prevPage({ bundle: second });
	assert.deepEqual(first.entry.map((e) => e.resource.name[0].family), families.slice(0, 3));
	assert.equal((await client.search({ resourceType: 'Patient', searchParams: { identifier: `urn:test|${mark}-${families[2]}` } })).entry.length, 1);
	await refused(client.search({ resourceType: 'Patient', searchParams: { nonsense: '1' } }), 400);
});

test('transaction and batch', { skip }, async () => {
	const uuid = `urn:uuid:${randomUUID()}`;
	const entries = [
		{ fullUrl: uuid, resource: patient('Trans'), request: { method: 'POST', url: 'Patient' } },
		{ resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: uuid }, valueQuantity: { value: 1.5 } }, request: { method: 'POST', url: 'Observation' } },
	];
	const done = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: entries } });
	assert.equal(done.type, 'transaction-response');
	assert.deepEqual(done.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201']);
	const [, id] = /Patient\/([^/]+)/.exec(done.entry[0].response.location);
	const observations = await client.search({ resourceType: 'Observation', searchParams: { subject: `Patient/${id}` } });
	assert.equal(observations.entry.length, 1);
	assert.equal(observations.entry[0].resource.subject.reference, `Patient/${id}`);

	const family = `Rolled${mark.slice(0, 8)}`;
	await refused(client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: [
		{ resource: patient(family), request: { method: 'POST', url: 'Patient' } },
		{ resource: patient(family, { birthDate: 'never' }), request: { method: 'POST', url: 'Patient' } }] } }), 422);
	assert.equal((await client.search({ resourceType: 'Patient', searchParams: { family } })).entry?.length ?? 0, 0);

	const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [
		{ request: { method: 'GET', url: `Patient/${id}` } }, { request: { method: 'GET', url: 'Patient/nobody' } }] } });
	assert.equal(batch.type, 'batch-response');
	assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
});

test('conditional create, update and delete', { skip }, async () => {
	const family = `Cond${mark.slice(0, 8)}`;
	const identifier = `urn:test|${mark}-${family}`;
	const create = () => client.create({ resourceType: 'Patient', body: patient(family), options: { headers: { 'If-None-Exist': `identifier=${encodeURIComponent(identifier)}` } } });
	const search = async () => (await client.search({ resourceType: 'Patient', searchParams: { identifier } })).entry ?? [];
	await create();
	await create();
	const [only, ...more] = await search();
	assert.equal(more.length, 0);
	const updated = await client.update({ resourceType: 'Patient', searchParams: { identifier }, body: patient(family, { active: true }) });
	assert.equal(updated.id, only.resource.id);
	assert.equal(updated.active, true);
	/* the library has no conditional delete */
	const deleted = await fetch(`${fhirUrl}/Patient?identifier=${encodeURIComponent(identifier)}`, { method: 'DELETE' });
	assert.ok(deleted.ok, `${deleted.status}`);
	assert.deepEqual(await search(), []);
	const conditional = await client.read({ resourceType: 'Patient', id: (await client.create({ resourceType: 'Patient', body: patient(family) })).id });
	const unchanged = await fetch(`${fhirUrl}/Patient/${conditional.id}`, { headers: { 'If-None-Match': 'W/"1"' } });
	assert.equal(unchanged.status, 304);
});

test('references are resolved', { skip }, async () => {
	const subject = await client.create({ resourceType: 'Patient', body: patient('Resolved') });
	const observation = await client.create({ resourceType: 'Observation', body: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${subject.id}` } } });
	assert.equal((await client.resolve({ reference: observation.subject.reference })).id, subject.id);
	const included = await client.search({ resourceType: 'Observation', searchParams: { _id: observation.id, _include: 'Observation:subject' } });
	assert.deepEqual(included.entry.map((e) => e.search.mode), ['match', 'include']);
});
