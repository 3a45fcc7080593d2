/*
 * docs.test.mjs: every option and every metric is in docs/gateway.md, and nothing there is made up.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Gateway, noMock, program, root } from './lib.mjs';

const manual = readFileSync(path.join(root, 'docs/gateway.md'), 'utf8');
const help = spawnSync(program, ['--help'], { encoding: 'utf8' }).stdout;
const options = [...help.matchAll(/^ {2}--([a-z-]+) ([A-Z]+)? *.*?(?:\[([^[\]]*)\])?$/gm)];

test('every option is documented with its argument and default', () => {
	assert.ok(options.length >= 20);
	for (const [, name, argument, preset] of options) {
		if (!argument) {
			assert.ok(manual.includes(`\`--${name}\``), name);
			continue;
		}
		const row = manual.split('\n').find((line) => line.startsWith(`| \`--${name} ${argument}\` |`));
		assert.ok(row, `--${name} ${argument}`);
		if (preset && preset !== 'auto') assert.ok(row.includes(`| \`${preset}\` |`), `${name}: ${preset}`);
	}
});

test('every documented option exists', () => {
	const known = new Set(options.map((o) => o[1]));
	for (const [, name] of manual.matchAll(/^\| `--([a-z-]+)/gm)) assert.ok(known.has(name), name);
});

test('every metric is documented with its type, and every documented one exists', { skip: noMock }, async () => {
	const g = await Gateway.start();
	await g.ready();
	const text = await (await fetch(`${g.origin}/metrics`)).text();
	await g.stop();
	const metrics = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
	assert.ok(metrics.size >= 15);
	for (const [name, type] of metrics) assert.match(manual, new RegExp(`^\\| \`${name}(\\{[a-z,]+\\})?\` \\| ${type} \\|`, 'm'), name);
	for (const [, name] of manual.matchAll(/^\| `(fhir_gateway_\w+)/gm)) assert.ok(metrics.has(name), name);
	for (const name of metrics.keys()) assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
});
