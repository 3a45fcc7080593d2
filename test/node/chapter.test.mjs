/*
 * chapter.test.mjs: R4's chapter on search, statement by statement, over HTTP (GET and POST) in a store of its own.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { chapter, resources, settled } from './chapter.mjs';
import { Gateway, noUrl, root } from './lib.mjs';

const skip = noUrl;
const database = process.env.FHIR_DATABASE;
const sql = (text) => execFileSync('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', text, database]).toString();
let gateway;

before(async () => {
	if (skip) return;
	sql("SELECT fhir_store_create('chapter')");
	gateway = await (await Gateway.start({ database: `${database} options='-c fhir.store=chapter'` })).ready();
	const answer = await fetch(gateway.url, {
		method: 'POST', headers: { 'Content-Type': 'application/fhir+json' },
		body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })) }),
	});
	assert.equal(answer.status, 200, await answer.clone().text());
});
after(async () => {
	if (!gateway) return;
	await gateway.stop();
	sql("SELECT fhir_store_drop('chapter', force => true)");
});

/* The ids of an answer: matches in order, then the included ones, sorted, as '+id'; of several types as 'Type/id'. */
function ids(bundle, type, sorted) {
	const name = (r) => (type === '' || type.endsWith('*') ? `${r.resourceType}/${r.id}` : r.id);
	const of = (mode) => (bundle.entry || []).filter((e) => e.search.mode === mode).map((e) => name(e.resource));
	const matches = of('match');
	return [...(sorted ? matches : matches.sort()), ...of('include').sort().map((i) => `+${i}`)].join(' ');
}

async function check(answer, type, query, expected) {
	const body = await answer.json();
	const where = `${type || '[base]'}?${query}: ${answer.status} ${JSON.stringify(body).slice(0, 600)}`;
	if (typeof expected === 'number') {
		assert.equal(answer.status, expected, where);
		assert.equal(body.resourceType, 'OperationOutcome', where);
	} else if (typeof expected === 'function') assert.ok(expected(body), where);
	else {
		assert.equal(answer.status, 200, where);
		assert.equal(ids(body, type, /_sort=/.test(query)), expected, where);
	}
}

const numbers = new Map();
for (const [anchor, statement, searches] of chapter) {
	numbers.set(anchor, (numbers.get(anchor) || 0) + 1);
	test(`${anchor} ${numbers.get(anchor)}: ${statement}`, { skip }, async () => {
		for (const [type, given, expected, headers = {}] of searches) {
			const query = given.replace('BASE', gateway.url);
			const at = type === '' ? gateway.url : `${gateway.url}/${type}`;
			await check(await fetch(`${at}?${query.replace(/ /g, '%20').replace(/\\/g, '%5C')}`, { headers }), type, given, expected);
			await check(await fetch(`${at}/_search`, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }, body: query.replace(/ /g, '+') }), type, `${given} (POST)`, expected);
		}
	});
}

/* docs/search-chapter.md, from the statements */
function page() {
	const cell = (s) => s.replaceAll('|', '\\|');
	const spec = (anchor) => `[${anchor}](https://hl7.org/fhir/R4/search.html#${anchor})`;
	const count = new Map();
	const rows = chapter.map(([anchor, statement, searches]) => {
		count.set(anchor, (count.get(anchor) || 0) + 1);
		const shown = searches.filter(([, query]) => query).slice(0, 3).map(([type, query]) => `\`${type || '[base]'}?${cell(query)}\``);
		return `| ${spec(anchor)} ${count.get(anchor)} | ${cell(statement)} | ${shown.join(', ')}${searches.length > 3 ? ` and ${searches.length - 3} more` : ''} |`;
	});
	return '# R4\'s chapter on search, statement by statement\n\n' +
		'Each statement is a test of the same name in `test/node/chapter.test.mjs` (the searches, the resources and what must be found: `test/node/chapter.mjs`), run over\n' +
		'HTTP, by GET and by POST, against a store of its own. This page is made from them: `test/node/chapter.test.mjs --write`. How searches run: [search.md](search.md).\n\n' +
		`| section | statement | searches that show it |\n|---|---|---|\n${rows.join('\n')}\n\n` +
		`Where the specification leaves the choice to the server:\n\n| section | what | here |\n|---|---|---|\n${settled.map(([a, what, here]) => `| ${spec(a)} | ${cell(what)} | ${cell(here)} |`).join('\n')}\n`;
}
const file = path.join(root, 'docs/search-chapter.md');
if (process.argv.includes('--write')) {
	writeFileSync(file, page());
	process.exit();
}
test('docs/search-chapter.md is made of these statements', () => assert.equal(readFileSync(file, 'utf8'), page()));
