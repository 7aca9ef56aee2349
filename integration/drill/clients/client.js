// A client by Node's http with its default agent. It asks once a second and prints a line for each
// request: "@ END_MS TOOK_MS STATUS BODY".
//
//   node client.js http://HOST:PORT/PATH TIMEOUT_MS

'use strict';

const http = require('node:http');
const [url, timeout] = process.argv.slice(2);

function request() {
  return new Promise((resolve) => {
    const r = http.get(url, { signal: AbortSignal.timeout(Number(timeout)) }, (reply) => {
      let body = '';
      reply.setEncoding('utf8');
      reply.on('data', (text) => { body += text; });
      reply.on('end', () => resolve([reply.statusCode, body]));
      reply.on('error', (err) => resolve([0, err.message]));
    });
    r.on('error', (err) => resolve([0, err.message]));
  });
}

async function main() {
  for (;;) {
    const began = Date.now();
    const [status, text] = await request();
    const ended = Date.now();
    console.log(`@ ${ended} ${ended - began} ${status} ${text.trim().replaceAll('\n', ' ')}`);
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, began + 1000 - ended)); });
  }
}

main();
