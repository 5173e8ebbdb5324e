// SPDX-License-Identifier: MIT
// node: start-up, then native parts: zlib, crypto, buffers and JSON.
const zlib = require('zlib');
const crypto = require('crypto');
const part = Number(process.argv[2]);
let text = '', total = 0;
for (let i = 0; i < 20000 / part; i++)
	text += JSON.stringify({ id: i, name: 'name ' + (i * 7919) % 1000 });
for (let i = 0; i < 12; i++) {
	const packed = zlib.gzipSync(text);
	total += zlib.gunzipSync(packed).length;
	total += crypto.createHash('sha256').update(packed).digest().length;
}
console.log(total, text.length);
