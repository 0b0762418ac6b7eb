import type {
  CommonTlsContext,
  TlsParameters,
  UpstreamTlsContext,
} from './generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { Report } from './report.ts';

/** BoringSSL's cipher suites below TLS 1.3 that every Envoy has, by OpenSSL's names, each beside its standard name. */
const suites: ReadonlyMap<string, string> = new Map(
  `ECDHE-ECDSA-AES128-GCM-SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  ECDHE-RSA-AES128-GCM-SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  ECDHE-ECDSA-AES256-GCM-SHA384 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
  ECDHE-RSA-AES256-GCM-SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
  ECDHE-ECDSA-CHACHA20-POLY1305 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
  ECDHE-RSA-CHACHA20-POLY1305 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
  ECDHE-PSK-CHACHA20-POLY1305 TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
  ECDHE-ECDSA-AES128-SHA TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
  ECDHE-RSA-AES128-SHA TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
  ECDHE-PSK-AES128-CBC-SHA TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA
  ECDHE-ECDSA-AES256-SHA TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
  ECDHE-RSA-AES256-SHA TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
  ECDHE-PSK-AES256-CBC-SHA TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA
  ECDHE-RSA-AES128-SHA256 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
  AES128-GCM-SHA256 TLS_RSA_WITH_AES_128_GCM_SHA256
  AES256-GCM-SHA384 TLS_RSA_WITH_AES_256_GCM_SHA384
  AES128-SHA TLS_RSA_WITH_AES_128_CBC_SHA
  AES256-SHA TLS_RSA_WITH_AES_256_CBC_SHA
  PSK-AES128-CBC-SHA TLS_PSK_WITH_AES_128_CBC_SHA
  PSK-AES256-CBC-SHA TLS_PSK_WITH_AES_256_CBC_SHA
  DES-CBC3-SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA`
    .split('\n')
    .flatMap(line => {
      const [name = '', standard = ''] = line.trim().split(' ');
      return [
        [name, name],
        [standard, name],
      ];
    }),
);

/** What BoringSSL's words for several suites stand for. */
const classes: Readonly<Record<string, RegExp>> = {
  ALL: /^/,
  DEFAULT: /^/,
  HIGH: /^/,
  FIPS: /^/,
  kRSA: /^(AES|DES)/,
  RSA: /^(AES|DES)/,
  kECDHE: /^ECDHE/,
  kEECDH: /^ECDHE/,
  ECDH: /^ECDHE/,
  ECDHE: /^ECDHE/,
  EECDH: /^ECDHE/,
  kPSK: /^PSK/,
  PSK: /^PSK/,
  aPSK: /PSK/,
  aRSA: /RSA|^AES|^DES/,
  aECDSA: /ECDSA/,
  ECDSA: /ECDSA/,
  '3DES': /DES-CBC3/,
  AES128: /AES128/,
  AES256: /AES256/,
  AES: /AES/,
  AESGCM: /GCM/,
  CHACHA20: /CHACHA20/,
  SHA1: /SHA$/,
  SHA: /SHA$/,
  SSLv3: /SHA$/,
  TLSv1: /SHA$/,
  'TLSv1.2': /SHA\d|POLY1305/,
};

/** The suites that a word stands for; undefined where BoringSSL does not know it. */
function suitesOf(word: string): readonly string[] | undefined {
  const one = suites.get(word);
  if (one) return [one];
  const patterns = word.split('+').map(part => (Object.hasOwn(classes, part) ? classes[part] : undefined));
  if (patterns.includes(undefined)) return undefined;
  return [...new Set(suites.values())].filter(name => patterns.every(pattern => pattern?.test(name)));
}

const quoted = (text: string): string => JSON.stringify(text);

/** Why BoringSSL takes an entry in no list of cipher suites (its grammar: SSL_CTX_set_strict_cipher_list); undefined where it does. */
export function cipherFault(entry: string): string | undefined {
  for (const rule of entry.split(':')) {
    const group = /^\[(.*)\]$/s.exec(rule)?.[1]?.split('|');
    for (const word of group ?? [rule.replace(/^[-+!]/, '')])
      if (suitesOf(word) === undefined && rule !== '@STRENGTH' && !(word === '' && (group || rule === '')))
        return `${quoted(rule)} is not a cipher suite that every Envoy has`;
  }
  return undefined;
}

/** Why BoringSSL does not take a list of cipher suites, each of which it knows. */
export function ciphersFault(entries: readonly string[]): string | undefined {
  const chosen = new Set<string>();
  const never = new Set<string>();
  let grouped = false;
  for (const rule of entries.flatMap(entry => entry.split(':'))) {
    const operator = /^[-+!@]/.exec(rule)?.[0];
    if (operator && grouped) return `${quoted(rule)} cannot stand behind a group in [ ]`;
    const group = /^\[(.*)\]$/s.exec(rule)?.[1];
    grouped ||= group !== undefined;
    for (const word of group?.split('|') ?? [rule.replace(/^[-+!]/, '')])
      for (const name of suitesOf(word) ?? []) {
        if (operator === '!') never.add(name);
        if (operator === '!' || operator === '-') chosen.delete(name);
        else if (!operator && !never.has(name)) chosen.add(name);
      }
  }
  return entries.length && !chosen.size && entries.join('')
    ? `no cipher suite is left by ${quoted(entries.join(':'))}`
    : undefined;
}

/** Curves that every Envoy has, each beside the other name that BoringSSL has for it. */
const curves: Readonly<Record<string, string>> = {
  'P-256': 'P-256',
  prime256v1: 'P-256',
  'P-384': 'P-384',
  secp384r1: 'P-384',
  'P-521': 'P-521',
  secp521r1: 'P-521',
  X25519: 'X25519',
  x25519: 'X25519',
  X25519MLKEM768: 'X25519MLKEM768',
};

/** Why a curve cannot follow those before it in a list; undefined where it can. */
export function curveFault(curve: string, before: readonly string[]): string | undefined {
  const known = Object.hasOwn(curves, curve) ? curves[curve] : undefined;
  if (!known)
    return `${quoted(curve)} is not a curve that every Envoy has: ${[...new Set(Object.values(curves))].join(', ')}`;
  return before.some(other => curves[other] === known) ? `${quoted(curve)} stands twice` : undefined;
}

export function checkTlsParameters(
  { cipher_suites: ciphers = [], ecdh_curves = [], signature_algorithms = [] }: TlsParameters,
  report: Report,
): void {
  const unknown = ciphers.map(cipherFault);
  for (const [i, fault] of unknown.entries()) if (fault) report(['cipher_suites', i], fault);
  const fault = unknown.some(Boolean) ? undefined : ciphersFault(ciphers);
  if (fault) report(['cipher_suites'], fault);
  checkAlgorithms(signature_algorithms, report);
  const named = ecdh_curves.flatMap(text => text.split(':'));
  if (named.join(''))
    for (const [i, curve] of named.entries()) {
      const wrong = curveFault(curve, named.slice(0, i));
      if (wrong) report(['ecdh_curves', Math.min(i, ecdh_curves.length - 1)], wrong);
    }
}

const algorithms: ReadonlySet<string> = new Set(
  `rsa_pkcs1_sha1 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512 ecdsa_sha1 ecdsa_secp256r1_sha256
  ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384 rsa_pss_rsae_sha512 ed25519`.split(
    /\s+/,
  ),
);

function checkAlgorithms(given: readonly string[], report: Report): void {
  if (!given.join('')) return;
  for (const [i, name] of given.entries())
    if (!algorithms.has(name)) report(['signature_algorithms', i], `${quoted(name)} is not one that Envoy has`);
    else if (given.indexOf(name) < i) report(['signature_algorithms', i], `${quoted(name)} stands twice`);
}

/** Protocols travel each behind its length in a byte, all of them behind theirs in two; Envoy aborts at one that is empty beside others. */
export function checkAlpn({ alpn_protocols: given = [] }: CommonTlsContext, report: Report): void {
  const list = given.join();
  if (!list) return;
  const protocols = list.split(',');
  const wrong = protocols.some(text => !text || Buffer.byteLength(text) > 255);
  if (wrong || protocols.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0) > 65535)
    report(['alpn_protocols'], 'each protocol has 1 to 255 bytes, all of them 65,535 at most');
}

export function checkServerName({ sni = '' }: UpstreamTlsContext, report: Report): void {
  if (sni.includes('\0')) report(['sni'], 'must have no NUL');
}
