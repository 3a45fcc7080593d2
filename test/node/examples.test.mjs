/*
 * examples.test.mjs: HL7's R4 example instances go in by PUT, come back equal digit by digit, and are found by _id.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { fhirUrl, noPackage, noUrl, npm, parseExactly } from './lib.mjs';

const skip = noUrl || noPackage('hl7.fhir.r4.examples');
const folder = path.join(npm, 'hl7.fhir.r4.examples');

/* Runs work on each item, a few at a time. */
async function each(items, work, width = 4) {
	const queue = items.entries();
	await Promise.all(Array.from({ length: width }, async () => {
		for (const [i, item] of queue) await work(item, i);
	}));
}

/* HL7's own files that R4 itself refuses, and the element that is missing or wrong: see docs/model.md. */
const defective = new Map([
	['ImplementationGuide-fhir.json', 'ImplementationGuide.status'], ['Questionnaire-qs1.json', 'linkId'],
	['SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json', 'id'],
	...['codesystem-extensions-CodeSystem', 'valueset-extensions-ValueSet'].flatMap((kind) =>
		['author', 'effective', 'end', 'keyword', 'workflow'].map((code) => [`SearchParameter-${kind}-${code}.json`, 'SearchParameter.base'])),
]);

function examples() {
	return readdirSync(folder).filter((name) => /^[A-Z][A-Za-z]+-.*\.json$/.test(name)).map((name) => {
		const text = readFileSync(path.join(folder, name), 'utf8').replace(/^\uFEFF/, '');
		const resource = JSON.parse(text);
		return { name, text, type: resource.resourceType, id: resource.id };
	}).filter((e) => e.type && e.id);
}

/* A number written without an exponent, every digit kept, as the server writes it: 1.50E-3 is 0.00150, 1.0e3 is 1000. */
function plain(number) {
	const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number);
	const shift = fraction.length - Number(exponent);
	const digits = (whole + fraction + '0'.repeat(Math.max(0, -shift))).padStart(Math.max(0, shift) + 1, '0');
	const dot = digits.length - Math.max(0, shift);
	return sign + digits.slice(0, dot).replace(/^0+(?=\d)/, '') + (dot < digits.length ? '.' + digits.slice(dot) : '');
}
function plainNumbers(value) {
	if (typeof value !== 'object' || value === null) return value;
	if (typeof value.number === 'string' && Object.keys(value).length === 1) return { number: plain(value.number) };
	for (const key of Object.keys(value)) value[key] = plainNumbers(value[key]);
	return value;
}

/* What the server adds is left out: version and time; the rest of meta stays. */
function comparable(text) {
	const resource = plainNumbers(parseExactly(text));
	if (resource.meta) {
		delete resource.meta.versionId;
		delete resource.meta.lastUpdated;
		if (!Object.keys(resource.meta).length) delete resource.meta;
	}
	return resource;
}

test('numbers are compared by their digits', () => {
	assert.notDeepEqual(parseExactly('[1.50]'), parseExactly('[1.5]'));
	assert.deepEqual(['1.50E-3', '1.0e3', '-0.10', '1E-2', '12e1'].map(plain), ['0.00150', '1000', '-0.10', '0.01', '120']);
	assert.deepEqual(parseExactly('{"a":"1.5 \\" 2", "b":[-1.0e3]}'), { a: '1.5 " 2', b: [{ number: '-1.0e3' }] });
});

test('every example is stored, read back equal, and found by _id', { skip, timeout: 300000 }, async () => {
	const all = examples();
	const failures = [];
	assert.ok(all.length >= 700, `${all.length} examples`);
	await each(all, async ({ name, text, type, id }) => {
		try {
			const put = await fetch(`${fhirUrl}/${type}/${id}`, { method: 'PUT', body: text, headers: { 'Content-Type': 'application/fhir+json' } });
			const answer = await put.text();
			if (defective.has(name)) {
				assert.ok(put.status === 422 || put.status === 400, `PUT ${put.status}: a known defect was let in`);
				assert.ok(answer.includes(defective.get(name)), answer.slice(0, 400));
				return;
			}
			assert.ok(put.status === 200 || put.status === 201, `PUT ${put.status} ${answer.slice(0, 400)}`);
			const read = await fetch(`${fhirUrl}/${type}/${id}`);
			assert.equal(read.status, 200);
			assert.deepEqual(comparable(await read.text()), comparable(text));
			const found = JSON.parse(await (await fetch(`${fhirUrl}/${type}?_id=${encodeURIComponent(id)}`)).text());
			assert.deepEqual(found.entry?.map((e) => e.resource.id), [id]);
		} catch (error) {
			failures.push(`${name}: ${error.message.slice(0, 600)}`);
		}
	});
	assert.deepEqual(failures.slice(0, 20), [], `${failures.length} of ${all.length} failed`);
	console.log(`# ${all.length} examples of ${new Set(all.map((e) => e.type)).size} types`);
});
