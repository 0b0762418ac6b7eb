// node peer.mjs ADDRESS PORT PAIRS: a request over Istio's mutual TLS with each of these certificates, a JSON list of {certificate, key}. Prints the
// status of each answer and what the application saw; status 0 where no answer came.
import { request } from 'node:http';
import { connect } from 'node:tls';

const [, , host, port, pairs] = process.argv;

const ask = ({ certificate: cert, key }) =>
  new Promise(resolve => {
    const failed = error => resolve({ status: 0, body: error.code ?? error.message });
    const ALPNProtocols = ['istio-http/1.1', 'istio'];
    const socket = connect({ host, port: Number(port), cert, key, rejectUnauthorized: false, ALPNProtocols });
    socket.on('error', failed);
    socket.on('secureConnect', () => {
      request({ createConnection: () => socket, headers: { host: 'peer' } }, answer => {
        let body = '';
        answer.on('data', chunk => {
          body += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode, body }));
      })
        .on('error', failed)
        .end();
    });
  });

console.log(JSON.stringify(await Promise.all(JSON.parse(pairs).map(ask))));
process.exit(0);
