// search-report.mjs: the floors that searches are held against, and the tables.
const PAGE_P50 = 5, PAGE_P99 = 50, RATIO = 2, MATCHES = 1e6;

const ms = (x) => (x == null ? '' : x < 10 ? x.toFixed(2) : x < 100 ? x.toFixed(1) : String(Math.round(x)));
const count = (x) => (x == null ? '' : x >= 1e6 ? `${(x / 1e6).toFixed(1)} M` : x >= 1e4 ? `${Math.round(x / 1e3)} k` : String(Math.round(x)));
const cell = (s) => s.replaceAll('|', '\\|');
const table = (head, rows) => `| ${head.join(' | ')} |\n|${head.map((h, i) => (i ? '---:' : '---')).join('|')}|\n${rows.map((r) => `| ${r.join(' | ')} |`).join('\n')}\n`;

/**
 * Is the shape within its floors? All on figures of one client, warm. A page: p50, p99, the ratio. A count: matches a second, from 10,000 matches
 * on; with fewer the time is that of a page. cpu: the backend's CPU time a call in place of the times. All: no more rows are read than the answer explains, or a quarter of the type's, or a fiftieth of all.
 */
function judge(x, result, cpu) {
	const one = x.warm[1] ?? Object.values(x.warm)[0];
	x.misses = [];
	if (!x.calls.length) return (x.verdict = 'no values');
	if (x.refused) return (x.verdict = 'refused');
	if (!one) return (x.verdict = '');
	const { ours, hand } = one;
	const p50 = cpu ? ours.cpu : ours.p50;
	x.perSecond = x.kind === 'count' ? x.matches / ((cpu ? ours.cpu : ours.mean) / 1000) : null;
	x.ratio = hand ? p50 / (cpu ? hand.cpu : hand.p50) : null;
	if (ours.errors) x.misses.push(`errors: ${ours.error}`);
	if (x.kind === 'count' && x.matches >= 10000) {
		if (x.perSecond < MATCHES) x.misses.push(`${count(x.perSecond)} matches/s`);
	} else {
		if (p50 > PAGE_P50) x.misses.push(`${cpu ? 'CPU' : 'p50'} ${ms(p50)} ms`);
		if (!cpu && ours.p99 > PAGE_P99) x.misses.push(`p99 ${ms(ours.p99)} ms`);
	}
	if (x.ratio > RATIO) x.misses.push(`${x.ratio.toFixed(1)} × by hand`);
	const size = Math.max(...[...x.name.matchAll(/\w+/g)].map((m) => result.sizes[m[0]] ?? 0)) || result.resources; // of the largest type that it names
	if (x.rows > Math.max(size / 4, result.resources / 50, 2000) && x.rows > 8 * x.most) x.misses.push(`reads ${count(x.rows)} rows`);
	return (x.verdict = x.misses.length ? 'FAIL' : 'PASS');
}

const machine = (r) => `${r.cpu}, ${r.version}, shared_buffers ${r.buffers}.`;

export function report(r, cpu) {
	for (const x of r.shapes) judge(x, r, cpu);
	const more = r.clients.filter((n) => n !== 1), has1 = r.clients.includes(1);
	const first = has1 ? 1 : r.clients[0];
	const types = ['Observation', 'Patient', 'Encounter', 'Condition', 'Procedure', 'MedicationRequest'].filter((t) => r.sizes[t]).map((t) => `${count(r.sizes[t])} ${t}s`).join(', ');
	let text = `${count(r.resources)} resources (${types}), ${r.disk}, loaded in ${Math.round(r.loading)} s. ${machine(r)} `
		+ `${r.seconds} s a measurement in ${r.rounds} turns. Milliseconds, p50 / p99; CPU: of the backend, a call${cpu ? ', and what ratios and floors refer to here' : ''}.\n\n`;
	text += table(['shape', 'matches', 'KB', 'search', 'by hand', 'ratio', 'CPU', 'matches/s', 'rows read', 'buffers', ''], r.shapes.map((x) => {
		const w = x.warm[first];
		if (!w) return [`\`${cell(x.name)}\``, '', '', '', '', '', '', '', '', '', x.verdict === 'refused' ? `refused: ${cell(x.refused ?? '')}` : x.verdict];
		return [`\`${cell(x.name)}\``, count(x.matches), ms(w.ours.bytes / 1024), `${ms(w.ours.p50)} / ${ms(w.ours.p99)}`, w.hand ? `${ms(w.hand.p50)} / ${ms(w.hand.p99)}` : '',
			x.ratio ? x.ratio.toFixed(2) : '', ms(w.ours.cpu), x.perSecond && x.matches >= 10000 ? count(x.perSecond) : '', count(x.rows), count(x.buffers), x.verdict + (x.misses.length ? `: ${x.misses.join(', ')}` : '')];
	}));
	if (more.length || r.dropped != null) {
		const head = ['shape', ...more.flatMap((n) => [`${n} clients`, 'by hand', 'ratio']), ...(r.dropped == null ? [] : [...r.clients.map((n) => `cold, ${n}`), ...(has1 ? ['cold by hand, 1'] : [])])];
		text += r.dropped == null ? '\nMore clients.\n\n' : `\nMore clients, and cold: the first calls of new connections after a restart${r.dropped ? ' with the files out of the system\'s memory' : r.dropped === false ? ', files still in the system\'s memory' : ''}.\n\n`;
		const both = (y) => (y ? `${ms(y.p50)} / ${ms(y.p99)}` : '');
		text += table(head, r.shapes.filter((x) => Object.keys(x.warm).length).map((x) => [`\`${cell(x.name)}\``,
			...more.flatMap((n) => { const w = x.warm[n]; return [both(w.ours), both(w.hand), w.hand ? (w.ours.p50 / w.hand.p50).toFixed(2) : '']; }),
			...(r.dropped == null ? [] : [...r.clients.map((n) => both(x.cold[n]?.ours)), ...(has1 ? [both(x.cold[1]?.hand)] : [])])]));
	}
	if (r.gateway) text += `\n\`${cell(r.gateway.name)}\` over HTTP through the gateway: ${Object.entries(r.gateway.got).map(([n, g]) => `${n} clients ${ms(g.p50)} / ${ms(g.p99)} ms, ${count(g.rate)}/s`).join('; ')}.\n`;
	const of = (v) => r.shapes.filter((x) => x.verdict === v);
	text += `\n${of('PASS').length} shapes within the floors, ${of('FAIL').length} not, ${of('refused').length} refused, ${of('no values').length} without values. The run took ${Math.round(r.took / 60)} minutes.\n`;
	const differ = r.shapes.filter((x) => x.differs?.length && !x.best);
	if (differ.length) text += `\nNo hand-written statement gave the same answer: ${differ.map((x) => `\`${cell(x.name)}\``).join(', ')}.\n`;
	return { text, failed: of('FAIL').length > 0 };
}

/** p50 at each size, and by how much time and answer have grown from the first to the last. */
export function growth(results, cpu) {
	const [a, z] = [results[0], results.at(-1)];
	for (const r of results) for (const x of r.shapes) judge(x, r, cpu);
	const at = (r, name) => r.shapes.find((x) => x.name === name);
	let bad = 0;
	let text = `${machine(a)} One client, warm; ${cpu ? 'CPU time of a call' : 'p50'} in milliseconds. "Read" is the growth of the buffers that one call touches.\n\n`;
	text += table(['shape', ...results.flatMap((r) => [`${count(r.resources)}`, 'matches']), 'time', 'answer', 'read', ''], a.shapes.map(({ name }) => {
		const xs = results.map((r) => at(r, name)), times = xs.map((x) => x.warm[1]?.ours[cpu ? 'cpu' : 'p50']);
		if (times.some((t) => t == null)) return [`\`${cell(name)}\``, ...xs.flatMap(() => ['', '']), '', '', '', xs[0].verdict];
		const grown = times.at(-1) / times[0], answer = at(z, name).most / Math.max(1, at(a, name).most), read = at(z, name).buffers / Math.max(1, at(a, name).buffers);
		const well = times.at(-1) < 1 || grown <= 2 * Math.max(1, answer);
		if (!well) bad++;
		return [`\`${cell(name)}\``, ...xs.flatMap((x, i) => [ms(times[i]), count(x.matches)]), `× ${grown.toFixed(1)}`, `× ${answer.toFixed(1)}`, `× ${read.toFixed(1)}`, well ? 'PASS' : 'grows with the store'];
	}));
	return { text, failed: bad > 0 };
}
