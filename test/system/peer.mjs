// node peer.mjs ADDRESS PORT CERTIFICATE KEY: one request over Istio's mutual TLS, with a certificate of one's own. Prints the status and what
// the application saw; status 0 where no answer came.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:tls';

const [, , host, port, certificate, key] = process.argv;
const say = (status, body) => {
  console.log(JSON.stringify({ status, body }));
  process.exit(0);
};
const socket = connect({
  host,
  port: Number(port),
  cert: readFileSync(certificate),
  key: readFileSync(key),
  rejectUnauthorized: false,
  ALPNProtocols: ['istio-http/1.1', 'istio'],
});
socket.on('error', error => say(0, error.code ?? error.message));
socket.on('secureConnect', () => {
  request({ createConnection: () => socket, headers: { host: 'peer' }, agent: false }, answer => {
    let body = '';
    answer.on('data', chunk => {
      body += chunk;
    });
    answer.on('end', () => say(answer.statusCode, body));
  })
    .on('error', error => say(0, error.code ?? error.message))
    .end();
});
