/*
 * examples.test.mjs: HL7's R4 example instances go in by PUT, come back equal digit by digit, and are found by _id.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Gateway, decimalDigits, fhirUrl, noPackage, noUrl, npm, parseExactly } from './lib.mjs';

const skip = noUrl || noPackage('hl7.fhir.r4.examples') || (!process.env.FHIR_DATABASE && 'skipped: no FHIR_DATABASE');
const folder = path.join(npm, 'hl7.fhir.r4.examples');

/* Runs work on each item, a few at a time. */
async function each(items, work, width = 4) {
	const queue = items.entries();
	await Promise.all(Array.from({ length: width }, async () => {
		for (const [i, item] of queue) await work(item, i);
	}));
}

/* The package has R4's own definitions, too; FHIR_EXAMPLES=all takes them as well. */
const definitions = ['CodeSystem', 'SearchParameter', 'StructureDefinition', 'ValueSet'];

/* What breaks R4's own rules (docs/model.md): refused with this code, stored when only the structure is checked. */
const defects = new Map([
	['Questionnaire/qs1', 'required'], ['ImplementationGuide/fhir', 'required'],
	...['codesystem-extensions-CodeSystem', 'valueset-extensions-ValueSet'].flatMap((kind) =>
		['author', 'effective', 'end', 'keyword', 'workflow'].map((code) => [`SearchParameter/${kind}-${code}`, 'required'])),
]);
/* Its id has over 64 characters. */
const impossible = 'SearchParameter/questionnaireresponse-extensions-QuestionnaireResponse-item-subject';

function examples() {
	return readdirSync(folder).filter((name) => /^[A-Z][A-Za-z]+-.*\.json$/.test(name)).map((name) => {
		const text = readFileSync(path.join(folder, name), 'utf8').replace(/^\uFEFF/, '');
		const resource = JSON.parse(text);
		return { name, text, type: resource.resourceType, id: resource.id };
	}).filter((e) => e.type && e.id && (process.env.FHIR_EXAMPLES === 'all' || !definitions.includes(e.type)));
}

/* What the server adds is left out: version and time; the rest of meta stays. */
function comparable(text) {
	const resource = parseExactly(text);
	if (resource.meta) {
		delete resource.meta.versionId;
		delete resource.meta.lastUpdated;
		if (!Object.keys(resource.meta).length) delete resource.meta;
	}
	return resource;
}

test('numbers are compared by their digits', () => {
	assert.notDeepEqual(parseExactly('[1.50]'), parseExactly('[1.5]'));
	assert.deepEqual(parseExactly('{"a":"1.5 \\" 2", "b":[-1.0e3]}'), { a: '1.5 " 2', b: [{ number: '-1000e-0' }] });
	assert.equal(decimalDigits('1E-22'), decimalDigits('0.0000000000000000000001'));
	assert.equal(decimalDigits('1.00E-2'), decimalDigits('0.0100'));
	assert.notEqual(decimalDigits('1.00E-2'), decimalDigits('0.01'));
	assert.notEqual(decimalDigits('100'), decimalDigits('100.0'));
});

const put = (base, e) => fetch(`${base}/${e.type}/${e.id}`, { method: 'PUT', body: e.text, headers: { 'Content-Type': 'application/fhir+json' } });

async function check(e, lenient) {
	let stored = await put(fhirUrl, e);
	let answer = await stored.text();
	const defect = defects.get(`${e.type}/${e.id}`);
	if (`${e.type}/${e.id}` === impossible) {
		assert.equal(stored.status, 400);
		return;
	}
	if (defect) {
		assert.equal(stored.status, 422);
		assert.equal(JSON.parse(answer).issue[0].code, defect);
		stored = await put(lenient, e);
		answer = await stored.text();
	}
	assert.ok([200, 201].includes(stored.status), `PUT ${stored.status} ${answer.slice(0, 400)}`);
	const read = await fetch(`${fhirUrl}/${e.type}/${e.id}`);
	assert.equal(read.status, 200);
	assert.deepEqual(comparable(await read.text()), comparable(e.text));
	const found = await (await fetch(`${fhirUrl}/${e.type}?_id=${encodeURIComponent(e.id)}`)).json();
	assert.deepEqual(found.entry?.map((entry) => entry.resource.id), [e.id]);
}

test('every example is stored, read back equal, and found by _id', { skip, timeout: 300000 }, async () => {
	const all = examples();
	const failures = [];
	const lenient = await (await Gateway.start({ database: `${process.env.FHIR_DATABASE} options='-c fhir.check_mode=structure'`, pool: 1 })).ready();
	assert.ok(all.length >= 738, `${all.length} examples`);
	await each(all, (e) => check(e, lenient.url).catch((error) => failures.push(`${e.name}: ${error.message.slice(0, 600)}`)));
	await lenient.stop();
	assert.deepEqual(failures.slice(0, 20), [], `${failures.length} of ${all.length} failed`);
	console.log(`# ${all.length} examples of ${new Set(all.map((e) => e.type)).size} types`);
});
