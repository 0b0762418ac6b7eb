// What a signed CSR costs, in CPU of all of the process's threads: `node test/bench/signing.ts`, and a row of npm run bench.
import { type CertificateAuthority, readAuthority } from '../../src/security/authority.ts';
import { ownCertificate } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { signRequest } from '../../src/security/sign-request.ts';
import { newCertificate, newCsr, newKey } from '../security/openssl.ts';
import { ownCpu, table } from './process.ts';

const identity = 'spiffe://cluster.local/ns/default/sa/bookinfo';
const calls = 200;
const rounds = 7;

/** CPU of one call in milliseconds: the least of several rounds, since others' work only adds to it. */
async function cost(call: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = ownCpu();
    for (let n = 0; n < calls; n++) await call();
    all.push((ownCpu() - start) / calls);
  }
  return Math.min(...all);
}

function rsaAuthority(): CertificateAuthority {
  const { certificate, key } = newCertificate({ kind: 'rsa:2048' });
  const fields = { certificate: { field: 'ca-cert.pem', pem: certificate }, key: { field: 'ca-key.pem', pem: key } };
  const read = readAuthority(fields, Date.now() + 1_000);
  if (!read.ok) throw new Error(JSON.stringify(read.faults));
  return read.value;
}

/** What is signed, with its cost in milliseconds of CPU. The first two have a bound; an RSA root's own signature takes a millisecond more. */
export async function signingCosts(): Promise<readonly (readonly [string, number])[]> {
  const root = rootAuthority(await makeRoot('cluster.local', Date.now()));
  const rsaRoot = rsaAuthority();
  const name = (kind: string) =>
    newCsr(newKey(kind === 'rsa' ? 'rsa:2048' : 'P-256'), `critical,URI:${identity}`, '/O=');
  const [rsa, ec] = [name('rsa'), name('ec')];
  const sign = (authority: CertificateAuthority, csr: string) =>
    cost(async () => {
      const answer = await signRequest(authority, { csr, identity, validityDuration: 86_400 }, Date.now());
      if (!answer.ok) throw new Error(answer.message);
    });
  return [
    ['a CSR for an RSA key, as pilot-agent makes it, signed', await sign(root, rsa)],
    ['a CSR for a P-256 key signed', await sign(root, ec)],
    ["a CSR for an RSA key signed by an istiod's RSA root", await sign(rsaRoot, rsa)],
    [
      'a key and its certificate for a workload',
      await cost(() => ownCertificate(root, [identity], 86_400, Date.now())),
    ],
  ];
}

if (import.meta.main) {
  const rows = (await signingCosts()).map(([what, ms]) => [what, `${ms.toFixed(2)} ms CPU`]);
  console.log(table(rows));
}
