/*
 * lib.mjs: what the gateway's tests share: starting gateways, talking to sockets, JSON with numbers kept as text.
 *
 * Environment: FHIR_GATEWAY (the program, ./fhir-gateway), MOCK_DATABASE (connection string of a database with
 * mock.sql), FHIR_URL (base of a gateway before the real extension), PG_CONTROL (a command that takes stop, start
 * or restart and does that to the mock's server), FHIR_SHARED_DATA, FHIR_NPM.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const program = process.env.FHIR_GATEWAY || path.join(root, 'fhir-gateway');
export const mock = process.env.MOCK_DATABASE;
export const fhirUrl = process.env.FHIR_URL;
export const sharedData = path.resolve(root, process.env.FHIR_SHARED_DATA || '../shared/data');
export const npm = path.resolve(root, process.env.FHIR_NPM || 'node_modules');

/* Why a test cannot run here, or false */
export const noMock = !mock && 'skipped: no MOCK_DATABASE';
export const noUrl = !fhirUrl && 'skipped: no FHIR_URL';
export const missing = (file) => !existsSync(file) && `skipped: no ${path.basename(file)}`;
export const noPackage = (name) => missing(path.join(npm, name));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* An npm package from FHIR_NPM; imported, since Node 18 can't require an ES module */
export function importPackage(name) {
	return import(pathToFileURL(createRequire(path.join(npm, 'x.js')).resolve(path.join(npm, name))));
}

export class Gateway {
	/* Starts one on a free port with these options; its log lines are collected in `log` (parsed) and `errors`. */
	static async start(options = {}, environment = {}) {
		const g = new Gateway();
		const given = { listen: '127.0.0.1:0', database: mock, ...options };
		const flags = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
		g.log = [];
		g.errors = '';
		g.process = spawn(program, flags, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
		g.exited = new Promise((resolve) => g.process.on('exit', (code, signal) => resolve({ code, signal })));
		let rest = '';
		g.process.stdout.setEncoding('utf8').on('data', (part) => {
			const lines = (rest + part).split('\n');
			rest = lines.pop();
			g.log.push(...lines.map((line) => JSON.parse(line)));
		});
		await new Promise((resolve, reject) => {
			g.process.stderr.setEncoding('utf8').on('data', (part) => {
				g.errors += part;
				const found = /listening on (https?):\/\/(?:127\.0\.0\.1|\[::1\]):(\d+)(\S*)|listening on unix/.exec(g.errors);
				if (!found) return;
				if (found[2]) [g.scheme, g.port, g.base] = [found[1], Number(found[2]), found[3]];
				resolve();
			});
			g.process.on('exit', (code) => reject(new Error(`the gateway ended with ${code}: ${g.errors}`)));
		});
		g.origin = `http://127.0.0.1:${g.port}`;
		g.url = `${g.origin}${g.base}`;
		return g;
	}

	async ready() {
		for (let i = 0; i < 100; i++) {
			if ((await fetch(`${this.origin}/readyz`)).ok) return this;
			await sleep(50);
		}
		throw new Error(`not ready: ${this.errors}`);
	}

	async stop(signal = 'SIGTERM') {
		this.process.kill(signal);
		return this.exited;
	}

	async metrics() {
		const found = {};
		for (const line of (await (await fetch(`${this.origin}/metrics`)).text()).split('\n')) {
			const [, name, value] = /^(fhir_gateway_[^ ]+) (\S+)$/.exec(line) || [];
			if (name) found[name] = Number(value);
		}
		return found;
	}

	/* The access log's line of a request id: lines are written with a short delay. */
	async logged(id) {
		for (let i = 0; i < 50; i++) {
			const line = this.log.find((l) => l.id === id);
			if (line) return line;
			await sleep(20);
		}
		return null;
	}
}

/*
 * Sends bytes and answers what came back until the server closed or was silent for `quiet` ms:
 * { text, closed, responses: [{ status, headers, body }] }.
 */
export function raw(port, bytes, { quiet = 400, most = 20000, parts = [] } = {}) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(port, '127.0.0.1');
		const got = [];
		let timer;
		const end = (closed) => {
			clearTimeout(timer);
			clearTimeout(limit);
			socket.destroy();
			const data = Buffer.concat(got);
			resolve({ text: data.toString('latin1'), closed, responses: parseResponses(data) });
		};
		const limit = setTimeout(() => end(false), most);
		const touch = () => {
			clearTimeout(timer);
			timer = setTimeout(() => end(false), quiet);
		};
		socket.on('connect', async () => {
			socket.write(bytes);
			for (const [delay, part] of parts) {
				await sleep(delay);
				socket.write(part);
			}
			touch();
		});
		socket.on('data', (part) => {
			got.push(part);
			touch();
		});
		socket.on('close', () => end(true));
		socket.on('error', (error) => (got.length || error.code === 'ECONNRESET' || error.code === 'EPIPE' ? end(true) : reject(error)));
	});
}

function parseResponses(data) {
	const found = [];
	for (let at = 0; at < data.length;) {
		const end = data.indexOf('\r\n\r\n', at);
		if (end < 0) break;
		const [line, ...fields] = data.toString('latin1', at, end).split('\r\n');
		const headers = Object.fromEntries(fields.map((f) => [f.slice(0, f.indexOf(':')).toLowerCase(), f.slice(f.indexOf(':') + 1).trim()]));
		const status = Number(line.split(' ')[1]);
		const length = status === 100 ? 0 : Number(headers['content-length'] || 0);
		found.push({ status, headers, body: data.toString('utf8', end + 4, end + 4 + length) });
		at = end + 4 + length;
	}
	return found;
}

/*
 * A decimal by value and precision: 1.50 and 1.5 differ, 1E-3 and 0.001 do not. Exponents above zero are written out,
 * as a database's numeric has them: 1.0E3 is 1000.
 */
export function decimalDigits(text) {
	const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
	let scale = fraction.length - Number(exponent);
	let digits = whole + fraction;
	if (scale < 0) [digits, scale] = [digits + '0'.repeat(-scale), 0];
	return `${sign}${digits.replace(/^0+(?=\d)/, '')}e-${scale}`;
}

/* JSON with every number as { number: digits }, so that no digit is lost or taken for equal. */
export function parseExactly(text) {
	let out = '';
	let at = 0;
	const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;
	for (const found of text.matchAll(token)) {
		out += text.slice(at, found.index);
		out += found[0][0] === '"' ? found[0] : `{"number":"${decimalDigits(found[0])}"}`;
		at = found.index + found[0].length;
	}
	return JSON.parse(out + text.slice(at));
}
