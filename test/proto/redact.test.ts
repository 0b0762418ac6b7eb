import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { redacted, redactedInParts } from '../../src/proto/redact.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';

const socket = (password: string) => ({
  name: 'envoy.transport_sockets.starttls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: { tls_certificates: [{ password: { inline_string: password } }] },
  }),
});

const listenerOf = (...passwords: readonly string[]) => ({
  name: 'l',
  filter_chains: passwords.map(password => ({ name: `of ${password.length}`, transport_socket: socket(password) })),
  per_connection_buffer_limit_bytes: { value: 5 },
});

/** All that is made, and the steps that it took. */
function inParts(bytes: Uint8Array): { readonly steps: number; readonly shown: Uint8Array } {
  const parts = redactedInParts(LISTENER, bytes);
  for (let steps = 0; ; steps++) {
    const { done, value } = parts.next();
    if (done) return { steps, shown: value };
  }
}

test('field by field the same is shown as of the whole, each item of a list in a step of its own', () => {
  const listener = listenerOf('sesame', 'swordfish');
  const { steps, shown } = inParts(encode(LISTENER, listener));
  assert.deepEqual(decode(LISTENER, shown), decode(LISTENER, encode(LISTENER, redacted(LISTENER, listener) as never)));
  assert.equal(steps, 4);
  for (const password of ['sesame', 'swordfish']) assert.ok(!Buffer.from(shown).includes(password));
  assert.ok(Buffer.from(shown).includes('[redacted]'));
});

test('where there is nothing to withhold the very bytes are shown', () => {
  const bytes = encode(LISTENER, { name: 'l', filter_chains: [{ name: 'a' }, { name: 'b' }] });
  assert.equal(inParts(bytes).shown, bytes);
});
