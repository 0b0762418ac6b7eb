import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Manifest } from '../../src/sources/manifest.ts';

const documents = [
  '# What the shop is.\n\napiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n  namespace: shop\nspec:\n  clusterIP: 10.0.0.1\n  ports:\n  - port: 80\n',
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop, namespace: shop}\nspec:\n  hosts: [shop]\n  http:\n  - timeout: 3s\n    route: [{destination: {host: shop}}]\n',
  '# Its namespace\nmetadata: {name: shop}\napiVersion: v1\nkind: Namespace\n',
];

const keys = (file: Manifest): readonly string[] => [...file.contents.objects.keys()];
const hasError = (file: Manifest): boolean => file.contents.problems.some(({ severity }) => severity === 'error');
const read = (...texts: readonly string[]): Manifest => {
  const file = new Manifest('a.yaml');
  for (const text of texts) file.update(Buffer.from(text));
  return file;
};

/** How many documents a text is that ends between two of them; undefined for one that ends within one. */
function wholeDocuments(text: string): number | undefined {
  let from = 0;
  for (const [i, document] of documents.entries()) {
    const end = from + document.length;
    // Without its last line break, with it, and with dashes that begin nothing yet.
    if (text.length >= end - 1 && text.length <= end + (i < documents.length - 1 ? 4 : 0)) {
      const dashes = text.length - end;
      return dashes === 1 || dashes === 2 ? undefined : i + 1;
    }
    from = end + 4;
  }
  return undefined;
}

for (const [form, separator] of [
  ['as it is', (text: string) => text],
  ['with CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
] as const) {
  const whole = documents.join('---\n');

  test(`a file that is cut short takes nothing away: ${form}`, () => {
    const all = keys(read(separator(whole)));
    assert.equal(all.length, documents.length);
    let cuts = 0;
    let between = 0;
    for (let length = 0; length < whole.length; length++) {
      const text = whole.slice(0, length);
      const file = read(separator(whole), separator(text));
      const left = wholeDocuments(text);
      if (left !== undefined) {
        // Someone has removed the last documents.
        assert.deepEqual(keys(file), all.slice(0, left), JSON.stringify(text.slice(-30)));
        between++;
        continue;
      }
      assert.deepEqual([...keys(file)].sort(), [...all].sort(), JSON.stringify(text.slice(-30)));
      cuts++;
      // Nor do the next words of the same writer.
      file.update(Buffer.from(separator(whole.slice(0, length + 1))));
      if (wholeDocuments(whole.slice(0, length + 1)) === undefined) assert.equal(keys(file).length, all.length);
      file.update(Buffer.from(separator(whole)));
      assert.deepEqual(keys(file), all);
      assert.equal(hasError(file), false);
    }
    assert.ok(cuts > 300 && between < 12, `${cuts} ${between}`);
  });
}

test('what is said in so many words is done', () => {
  const [service = '', routes = '', space = ''] = documents;
  const file = read(documents.join('---\n'), [service, routes].join('---\n'));
  assert.equal(keys(file).join(' '), 'Service/shop/shop VirtualService/shop/shop');
  file.update(Buffer.from([service, space].join('---\n')));
  assert.equal(keys(file).join(' '), 'Service/shop/shop Namespace/shop');
  file.update(Buffer.from(service.replace('name: shop', 'name: store')));
  assert.equal(keys(file).join(' '), 'Service/shop/store');
  assert.equal(hasError(file), false);

  // The last lines of a file may go with the documents after them, where its writer ends it.
  const short = service.slice(0, service.indexOf('  ports'));
  const cut = read([service, routes].join('---\n'), short);
  assert.equal(keys(cut).length, 2);
  assert.match(
    cut.contents.problems[0]?.message ?? '',
    /ends in the middle of what it was; where that is meant, end it with a line ---/,
  );
  cut.update(Buffer.from(`${short}---\n`));
  assert.equal(keys(cut).join(' '), 'Service/shop/shop');
  assert.equal(hasError(cut), false);
});

test('the last lines of the last document may go', () => {
  const [service = ''] = documents;
  const file = read(service, service.slice(0, service.indexOf('  ports')));
  assert.deepEqual(
    [...file.contents.objects.values()].map(({ object }) => object['spec']),
    [{ clusterIP: '10.0.0.1' }],
  );
  assert.equal(hasError(file), false);
});
