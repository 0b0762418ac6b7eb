import { X509Certificate } from 'node:crypto';

/** Every certificate of a PEM text. Throws where one cannot be read, as Envoy refuses the whole. */
export function certificatesIn(pem: Uint8Array): readonly X509Certificate[] {
  const found = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g);
  if (!found) throw new Error('there is no certificate');
  return found.map(text => new X509Certificate(text));
}
