// tour.mjs: the newcomer's tour in docs/development.md names files and functions that exist: each `src/….c` is there, and each `function()` beside it
// is defined in it. Closing line: "N passed, N failed".
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const text = process.argv[2] ? readFileSync(process.argv[2], 'utf8') : readFileSync(join(root, 'docs/development.md'), 'utf8');
let passed = 0, failed = 0;
const check = (good, what) => { if (good) passed++; else { failed++; console.log(`not ok - ${what}`); } };

for (const [, file, fn] of text.matchAll(/`(src\/[\w/]+\.[ch])`(?: `(\w+)\(\)`)?/g)) {
	const path = join(root, file), there = existsSync(path);
	check(there, `docs/development.md: ${file} exists`);
	if (there && fn)
		check(new RegExp(`^(?:[\\w *]+\\*)?${fn}\\([^;]*\\)\\n\\{`, 'm').test(readFileSync(path, 'utf8')), `docs/development.md: ${file} defines ${fn}()`);
}
check(passed > 30, 'the tour names more than 30 places');
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
