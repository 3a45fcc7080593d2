/*
 * synthea.test.mjs: real-looking patients through script/load; afterwards there are as many of each type as in the files.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Gateway, missing, noUrl, root, sharedData, sleep } from './lib.mjs';

const archive = path.join(sharedData, 'synthea/synthea-100.tar.gz');
const database = process.env.FHIR_DATABASE;
const skip = noUrl || missing(archive) || (!database && 'skipped: no FHIR_DATABASE');

function countsInFiles() {
	const dir = mkdtempSync(path.join(tmpdir(), 'synthea-'));
	const counts = {};
	assert.equal(spawnSync('tar', ['-xzf', archive, '-C', dir]).status, 0);
	for (const name of readdirSync(dir, { recursive: true }).filter((n) => n.endsWith('.json'))) {
		const document = JSON.parse(readFileSync(path.join(dir, name), 'utf8'));
		const resources = document.resourceType === 'Bundle' ? document.entry.map((e) => e.resource) : [document];
		for (const { resourceType } of resources) counts[resourceType] = (counts[resourceType] || 0) + 1;
	}
	rmSync(dir, { recursive: true });
	return counts;
}

const psql = (sql, dbname) => {
	const r = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database.replace(/dbname=\S+/, `dbname=${dbname}`), '-c', sql], { encoding: 'utf8' });
	assert.equal(r.status, 0, r.stderr);
	return r.stdout;
};

test('counts by type after loading are those of the files', { skip, timeout: 600000 }, async () => {
	psql('DROP DATABASE IF EXISTS synthea', 'postgres');
	psql('CREATE DATABASE synthea', 'postgres');
	psql('SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE', 'synthea');
	const g = await Gateway.start({ database: database.replace(/dbname=\S+/, 'dbname=synthea'), 'access-log': 'off' });
	try {
		await g.ready();
		const { stdout } = await promisify(execFile)(path.join(root, 'script/load'), ['--quiet', '--url', g.url, archive]).catch((e) => assert.fail(e.stdout + e.stderr));
		const expected = countsInFiles();
		const total = Object.values(expected).reduce((a, b) => a + b);
		console.log(`# ${stdout.trim()}`);
		assert.match(stdout, new RegExp(`^${total} resources loaded, 0 failed`));
		const found = {};
		for (const type of Object.keys(expected)) {
			const response = await fetch(`${g.url}/${type}?_summary=count`);
			found[type] = (await response.json()).total;
		}
		assert.deepEqual(found, expected);
	} finally {
		await g.stop();
		await sleep(100);
		psql('DROP DATABASE IF EXISTS synthea WITH (FORCE)', 'postgres');
	}
});
